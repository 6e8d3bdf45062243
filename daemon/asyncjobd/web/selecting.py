"""The selections that viewers may make: a search must not tell what a page hides."""

from collections.abc import Sequence
from datetime import datetime

from asyncjobd.monitoring.selection import Selection, SelectionError, parse_selection
from asyncjobd.web.json_text import is_hidden


def selection_of(text: str, now: datetime, hide: Sequence[str]) -> Selection:
    """Return the selection that a text means. Raise SelectionError for one by a value that is hidden, or may be."""
    selection = parse_selection(text, now)
    for path, value in selection.params.items():
        if any(is_hidden(name, hide) for name in path.split(".")):
            raise SelectionError(f"params.{path}: this page hides its values ([web] hide)")
        if hide and value.startswith(("{", "[")):
            raise SelectionError(
                f"params.{path}: search for a text or a number, not for what has fields of its own"
            )
    return selection
