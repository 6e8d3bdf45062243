"""What `asyncjobd doctor` checks: each check takes what was looked up and answers findings."""
