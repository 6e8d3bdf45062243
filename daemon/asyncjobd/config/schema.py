"""The JSON Schema of the configuration file, by which editors complete and check it.

The daemon rejects all that the schema rejects, and more: it knows the units, and which keys go together.
"""

import re
from datetime import timedelta
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from asyncjobd.config.durations import format_duration
from asyncjobd.config.example import template
from asyncjobd.config.model import ActionConfig, Config, ScheduleConfig
from asyncjobd.config.tables import unit_of

JsonSchema = dict[str, Any]

_TABLE = re.compile(r"(?:# )?\[(\w+)")
_KEY = re.compile(r'(?:# )?(\w+) = (?:"[^"]*"|[^"#])*# (.+)')  # with its comment


def schema() -> JsonSchema:
    """Return the schema of a whole configuration file."""
    comments = _comments()
    properties = {
        field.name: _table(field.type, comments[field.name])
        for field in msgspec.structs.fields(Config)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    }
    # a file of actions.d may have what the table lacks, so that no key of it is required
    action = _table(ActionConfig, comments["actions"])
    schedule = _table(ScheduleConfig, comments["schedules"]) | {
        "required": ["job_name"],
        "oneOf": [{"required": ["cron"]}, {"required": ["every"]}],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The configuration of asyncjobd",
        "type": "object",
        "properties": properties
        | {
            "actions": {"type": "object", "additionalProperties": action},
            "schedules": {"type": "object", "additionalProperties": schedule},
        },
        "additionalProperties": False,
    }


def _table(kind: type[msgspec.Struct], comments: dict[str, str]) -> JsonSchema:
    properties = {}
    for field in msgspec.structs.fields(kind):
        described = {"description": comments[field.name]} if field.name in comments else {}
        properties[field.name] = described | _value(field.type) | _default(field.default)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(kind: Any) -> JsonSchema:
    """Return the schema of a value as TOML has it, which knows no null."""
    if (unit := unit_of(kind)) is not None:
        return {"type": "string", "pattern": unit.pattern}
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    return msgspec.json.schema(kind)


def _default(value: Any) -> JsonSchema:
    if value is msgspec.NODEFAULT or value is None:
        return {}
    return {"default": format_duration(value) if isinstance(value, timedelta) else value}


def _comments() -> dict[str, dict[str, str]]:
    """Return what the example says of each key, by tables."""
    comments: dict[str, dict[str, str]] = {}
    found: dict[str, str] = {}
    for line in template().splitlines():
        if table := _TABLE.match(line):
            found = comments.setdefault(table[1], {})
        elif key := _KEY.fullmatch(line):
            found[key[1]] = key[2]
    return comments
