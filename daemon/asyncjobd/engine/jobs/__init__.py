"""The way of a row: due, claimed, run, recorded."""
