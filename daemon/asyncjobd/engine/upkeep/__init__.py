"""Housekeeping beside the jobs: pruning, unknown names, reloads, memory."""
