"""Values of rows in the form that people read."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from asyncjobd.config.durations import format_duration
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import harmless


def text(value: Any, now: datetime | None = None) -> str:
    """Return a value as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        case datetime():
            return full_time(value, now or datetime.now().astimezone())
        case timedelta():
            return format_duration(value)
        case dict() | list():
            return harmless(msgspec.json.encode(value).decode())
        case _:
            return harmless(str(value))
