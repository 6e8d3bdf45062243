"""`asyncjobd doctor`: each check takes what was looked up and returns findings."""
