"""The configuration: its structure, its files, and the units of its values."""
