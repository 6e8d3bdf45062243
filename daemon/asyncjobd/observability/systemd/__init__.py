"""The daemon as a systemd service: notifications, status line, watchdog."""
