"""Actions: job names with their handlers and hooks, loaded from the configuration."""
