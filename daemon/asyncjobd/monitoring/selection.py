"""Which jobs somebody means, in words: `name:Email* status:failed params.to:a@b.c since:02:00`."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asyncjobd.job import Status
from asyncjobd.monitoring.times import parse_past

STATES = [*(status.value for status in Status), "ready", "running"]
FORMS = (
    "name, status, params.FIELD, message, daemon, parent, key, limit_key, since and until, each as WORD:VALUE or "
    'WORD:"VALUE WITH SPACES"'
)
FIELDS = {  # of a Selection, by word
    "name": "job_name", "status": "state", "message": "message", "daemon": "daemon", "parent": "parent_id",
    "key": "key", "limit_key": "limit_key", "since": "since", "until": "until",
}  # fmt: skip

_TERM = re.compile(
    r'\s*(?P<word>[a-z_]+(?:\.[^\s:"]+)?):(?P<value>"(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)', re.DOTALL
)


class SelectionError(ValueError):
    """Raised for text that is no selection; it says which part, and what is expected."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs that meet all of its terms; without any, all jobs.

    Attributes:
        job_name: A pattern, in which * stands for any characters.
        state: A status, ready or running.
        params: Fields, each with the dots of its path, and the text of its value.
        message: What the message has in it, in upper or lower case.
        daemon: The name of the daemon that runs it.
        parent_id: Its parent.
        key: Its unique_key, debounce_key or once_key.
        limit_key: Its limit_key.
        since: When it was inserted at the earliest.
        until: Before when it was inserted.
    """

    job_name: str | None = None
    state: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    daemon: str | None = None
    parent_id: int | None = None
    key: str | None = None
    limit_key: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of inspect/parts/selected."""
        is_of_progress = self.state in {"ready", "running"}
        return {
            "name_pattern": None if self.job_name is None else _escaped(self.job_name).replace("*", "%"),
            "status": Status.IN_PROGRESS.value if is_of_progress else self.state,
            "is_owned": self.state == "running" if is_of_progress else None,
            "paths": [_path(name) for name in self.params] or None,
            "values": [*self.params.values()] or None,
            "message_pattern": None if self.message is None else f"%{_escaped(self.message)}%",
            "daemon": self.daemon,
            "parent_id": self.parent_id,
            "key": self.key,
            "limit_key": self.limit_key,
            "since": self.since,
            "until": self.until,
        }


def parse_selection(text: str, now: datetime) -> Selection:
    """Return the selection that a text means; times without a zone are those of `now`. Raise SelectionError."""
    terms: dict[str, Any] = {}
    params: dict[str, Any] = {}
    place = 0
    while text[place:].strip():
        match = _TERM.match(text, place)
        if match is None:
            raise SelectionError(f"{text[place:].strip()[:50]!r} is no part of a selection: write {FORMS}")
        word, value, place = match["word"], _unquoted(match["value"]), match.end()
        if word.startswith("params."):
            given, name = params, word.removeprefix("params.")
        elif word in FIELDS:
            given, name = terms, FIELDS[word]
        else:
            raise SelectionError(f"{word!r} is no word of a selection: write {FORMS}")
        if name in given:
            raise SelectionError(f"{word} is given twice: a job has one")
        try:
            given[name] = _value_of(word, value, now)
        except ValueError as error:
            raise SelectionError(f"{word}:{value}: {error}") from error
    return Selection(params=params, **terms)


def with_times(text: str, selection: Selection) -> str:
    """Return the text of a selection with the times that it means in place of "5m" and the like."""
    times = {"since": selection.since, "until": selection.until}

    def replaced(match: re.Match[str]) -> str:
        time = times.get(match["word"])
        return match[0] if time is None else f" {match['word']}:{time.isoformat()}"

    return _TERM.sub(replaced, text).strip()


def _value_of(word: str, text: str, now: datetime) -> Any:
    match word:
        case "status":
            return _state(text)
        case "parent":
            return _id(text)
        case "since" | "until":
            return parse_past(text, now)
    return text


def _state(text: str) -> str:
    states = {state.lower(): state for state in STATES}
    if text.lower() not in states:
        raise ValueError(f"expected one of {', '.join(STATES)}")
    return states[text.lower()]


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise ValueError("expected the id of a job")
    return int(text)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value.startswith('"') else value


def _escaped(text: str) -> str:
    """Return a pattern of LIKE for the text itself."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _path(name: str) -> str:
    """Return the text of a PostgreSQL array with the parts of a dotted path."""
    parts = (re.sub(r'(["\\])', r"\\\1", part) for part in name.split("."))
    return "{" + ",".join(f'"{part}"' for part in parts) + "}"
