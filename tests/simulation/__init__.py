"""The real engine under a seed: virtual time, chosen faults, one statement of PostgreSQL at a time."""
