"""Columns of many rows, as arrays for `unnest`."""

from typing import Any


def column(values: list[Any]) -> list[Any] | None:
    """Return the values, or None where all of them are None: then none are sent, and `unnest` returns null
    for each row all the same."""
    return None if values.count(None) == len(values) else values
