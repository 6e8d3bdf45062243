"""`asyncjobd top`, and the tables that `status` prints too."""
