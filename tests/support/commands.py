"""Actions that run a program, and their jobs."""

import json
import sys
from typing import Any

from tests.support.jobs import Connection, Row, insert, settled


def command(*argv: str, action: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {
        "handler": "asyncjobd_handlers.command:Command",
        "options": {"argv": list(argv), **options},
        "max_execution_count": 1,
        **(action or {}),
    }


def bash(script: str, *arguments: str, **options: Any) -> dict[str, Any]:
    return command("bash", "-c", script, "job", *arguments, **options)


def python(script: str, *arguments: str, **options: Any) -> dict[str, Any]:
    return command(sys.executable, "-c", script, *arguments, **options)


async def run(db: Connection, job_name: str, params: Any = None, **columns: str) -> Row:
    """Insert a job and return its row once it has ended."""
    return await settled(db, await insert(db, job_name, json.dumps(params or {}), **columns))
