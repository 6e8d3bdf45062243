"""The story of a world: its statements, faults and log events in their order, and their digest."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import structlog
from structlog.typing import EventDict

from tests.simulation.clock import Clock
from tests.simulation.loop import owner

UNTOLD = {"event", "level", "pid", "database"}  # they differ from run to run, or say nothing


class Story:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._digest = hashlib.sha256()
        self.lines: list[str] = []
        self._folder = Path()
        self._names: dict[str, str] = {}  # of queries, by their SQL
        self.queries: set[str] = set()  # that the server has run
        self.key_errors: list[str] = []  # of daemons' statements

    def tell(self, folder: Path) -> None:
        """Take up what is logged from now on. Each daemon's lines are also written to its own log."""
        self._folder = folder
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, self._take],
            wrapper_class=structlog.make_filtering_bound_logger(10),
            cache_logger_on_first_use=False,
        )

    def note(self, who: str, event: str, **fields: Any) -> None:
        """Add a line."""
        shown = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
        line = f"{self._clock.elapsed:11.6f} {who:10} {event} {shown}"
        self.lines.append(line)
        self._digest.update(line.encode() + b"\n")

    def name_query(self, sql: str, name: str) -> None:
        """Show this name for the query."""
        self._names[sql] = name

    def note_statement(self, who: str, sql: str, result: Any) -> None:
        """Add a line about a statement that the server has run."""
        name = self._names.get(sql)
        if name is not None:
            self.queries.add(name)
            if isinstance(result, asyncpg.UniqueViolationError):
                self.key_errors.append(f"{name} of {who} has failed: {result}")
        rows = f"{len(result)} rows" if isinstance(result, list) else repr(result)
        self.note(who, f"> {name or ' '.join(sql.split())[:80]}: {rows}")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    def _take(self, _logger: Any, _method: str, event: EventDict) -> NoReturn:
        who = owner.get()
        fields = {key: value for key, value in event.items() if key not in UNTOLD}
        self.note(who, event["event"], **fields)
        if "job_id" in event:
            line = json.dumps(event, default=str, separators=(",", ":"))
            with (self._folder / f"{who}.log").open("a") as log:
                log.write(line + "\n")
        raise structlog.DropEvent


def told_of(lines: Iterable[str], violations: list[str]) -> Iterator[str]:
    """Yield the lines about faults, daemons, and the jobs that the violations name."""
    jobs = set(re.findall(r"job (\d+)", " ".join(violations)))
    for line in lines:
        found = re.search(r"job_id=(\d+)", line)
        if found[1] in jobs if found else " > " not in line:
            yield line
