"""The command `asyncjobd unit`, and the units of systemd that it writes."""
