"""The selections that viewers may make: a search must not tell what a page hides."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.selection import Selection, SelectionError, parse_selection
from asyncjobd.web.json_text import is_hidden, write_only


async def selection_of(fetch: Run, text: str, now: datetime, hide: Sequence[str]) -> Selection:
    """Return the selection that a text means. Raise SelectionError for one by a value that is hidden, or may be."""
    selection = parse_selection(text, now)
    if not selection.params:
        return selection
    schemas = await fetch("inspect/list_write_only")
    hidden = [*hide, *(name for row in schemas for name in write_only(row["params_schema"]))]
    for path, value in selection.params.items():
        if any(is_hidden(name, hidden) for name in path.split(".")):
            raise SelectionError(f"params.{path}: this page hides its values")
        if _has_fields(value):
            raise SelectionError(
                f"params.{path}: search for a text or a number, not for what has fields of its own"
            )
    return selection


def _has_fields(value: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(value), dict | list)
    except RecursionError:
        return True
    except msgspec.DecodeError:
        return False
