"""The way of a row: due, claimed, run, recorded, and what waits for its end."""
