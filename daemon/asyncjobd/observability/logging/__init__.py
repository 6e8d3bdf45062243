"""Structured logs for terminals, files and the journal."""
