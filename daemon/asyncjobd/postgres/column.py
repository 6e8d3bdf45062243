"""A column of many rows, as an array for `unnest`."""

from typing import Any


def column(values: list[Any]) -> list[Any] | None:
    """None where all values are: then nothing of it is sent, and `unnest` answers null for each row all the same."""
    return None if values.count(None) == len(values) else values
