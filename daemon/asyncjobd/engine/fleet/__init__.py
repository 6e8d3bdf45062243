"""Daemons among daemons: registration, leases, and the rescue of lost jobs."""
