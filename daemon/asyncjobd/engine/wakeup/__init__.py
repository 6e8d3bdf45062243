"""Notifications: how a daemon that sleeps learns of ready rows."""
