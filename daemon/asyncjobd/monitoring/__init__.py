"""Selections of jobs, searches by them, and orders to all that they mean."""
