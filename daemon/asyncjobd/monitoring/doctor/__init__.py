"""What is wrong, and what to do: each check takes what was looked up and returns findings."""
