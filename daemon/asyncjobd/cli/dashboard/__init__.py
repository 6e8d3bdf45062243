"""`asyncjobd status` and `asyncjobd top`."""
