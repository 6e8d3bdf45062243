"""Metrics: counted by the daemon, sampled from the queue, served to Prometheus."""
