"""Logs, metrics and the service status."""
