"""The JSON Schema of the configuration accepts whatever the daemon accepts, and rejects what it can know to be wrong."""

import json
import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import tomli_w

from asyncjobd.config import model
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.schema import schema
from asyncjobd.config.web import WebConfig
from tests.docs.snippets import PAGES, ROOT, read
from tests.support.daemon import asyncjobd

VALIDATOR = jsonschema.Draft7Validator(schema())
TABLES: dict[str, type[msgspec.Struct]] = {
    "database": model.DatabaseConfig, "daemon": model.DaemonConfig, "retention": model.RetentionConfig,
    "logging": model.LoggingConfig, "metrics": model.MetricsConfig, "web": WebConfig,
    "actions.A": model.ActionConfig, "schedules.S": model.ScheduleConfig,
}  # fmt: skip
KEYS = [(table, key) for table, kind in TABLES.items() for key in (*kind.__struct_fields__, "unknown")]
VALUES: list[Any] = [
    "", "a:b", "1 HOUR 30 min", "2 months", "15", "100 per minute", "512 MB", "@daily", "UTC", "info", "process",
    -1, 1, 0.5, 2**31, True, ["a"], [1], {"a": 1}, datetime(2001, 1, 1, tzinfo=UTC),
]  # fmt: skip


def is_valid(document: dict[str, Any]) -> bool:
    as_json = json.loads(json.dumps(document, default=datetime.isoformat))
    return bool(VALIDATOR.is_valid(as_json))


def is_accepted(document: dict[str, Any], folder: Path) -> bool:
    path = folder / "config.toml"
    path.write_text(tomli_w.dumps(document))
    try:
        load_config(path)
    except ConfigError:
        return False
    return True


def test_schema_that_is_printed_is_the_installed_one() -> None:
    printed = asyncjobd("config", "schema").stdout
    assert printed == (files("asyncjobd") / "share" / "config.schema.json").read_text()
    jsonschema.Draft7Validator.check_schema(json.loads(printed))


def test_example_is_valid_with_all_its_examples() -> None:
    example = (ROOT / "config.example.toml").read_text()
    assert is_valid(tomllib.loads(example))
    lines = [line.removeprefix("# ") for line in example.splitlines()]
    tables = lines[lines.index("[actions.EmailSender]") :]
    without_cron = [
        line
        for line in tables
        if (not line.startswith(("cron =", "time_zone =")) and " = " in line) or line[:1] == "["
    ]
    assert is_valid(tomllib.loads("\n".join(without_cron)))


def test_configurations_of_the_documentation_are_valid() -> None:
    snippets = [
        snippet for page in PAGES for snippet in read(page) if snippet.language == "toml" and snippet.is_run
    ]
    of_drop_ins = [snippet for snippet in snippets if (snippet.file or "").startswith("actions.d/")]
    assert len(snippets) > 10
    for snippet in snippets:
        if snippet not in of_drop_ins:
            assert is_valid(tomllib.loads(snippet.text)), f"{snippet.page}:{snippet.line}"


@pytest.mark.parametrize(
    "text",
    [
        "[databse]",
        "[daemon]\nlaese = '3 s'",
        "[daemon]\nconcurrency = 0",
        "[daemon]\nlease = 3",
        "[daemon]\nlease = '3'",
        "[daemon]\nhandler_path = '.'",
        "[logging]\nlevel = 'loud'",
        "[actions.A]\nhandler = 'a:b'\nmemory_limit = '512'",
        "[actions.A]\nhandler = 'a:b'\nrate = '100 per week'",
        "[actions.A]\nhandler = 'a:b'\nretry_jitter = 2",
        "[actions]\nA = 'a:b'",
        "[schedules.S]\ncron = '@daily'",
        "[schedules.S]\njob_name = 'A'",
        "[schedules.S]\njob_name = 'A'\ncron = '@daily'\nevery = '1 day'",
    ],
)
def test_what_editors_mark_the_daemon_refuses(text: str, tmp_path: Path) -> None:
    document = tomllib.loads(text)
    assert not is_valid(document)
    assert not is_accepted(document, tmp_path)


def test_what_editors_mark_of_any_key_the_daemon_refuses(tmp_path: Path) -> None:
    marked = 0
    for table, key in KEYS:
        name, _, entry = table.partition(".")
        needed = {
            "A": {"handler": "a:b"},
            "S": {"job_name": "A"} | ({} if key in ("cron", "every") else {"cron": "@daily"}),
        }
        for value in VALUES:
            content = needed.get(entry, {}) | {key: value}
            document = {name: {entry: content} if entry else content}
            if not is_valid(document):
                marked += 1
                assert not is_accepted(document, tmp_path), document
    assert len(KEYS) < marked < len(KEYS) * len(VALUES)
