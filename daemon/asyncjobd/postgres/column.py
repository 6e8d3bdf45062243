"""Array arguments for `unnest`."""

from typing import Any


def column(values: list[Any]) -> list[Any] | None:
    """Return the values of a column, or None if all are None.

    A null array needs no bytes in the statement, and `unnest` returns null for each row all the same.
    """
    return None if values.count(None) == len(values) else values
