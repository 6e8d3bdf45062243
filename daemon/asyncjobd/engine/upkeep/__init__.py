"""Housekeeping beside the jobs: pruning, history, unknown names, reloads, memory."""
