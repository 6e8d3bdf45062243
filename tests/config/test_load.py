"""The configuration: what it says, and what it refuses."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import ActionConfig, Config, ScheduleConfig
from asyncjobd.config.reserved_words import RESERVED


def written(tmp_path: Path, text: str, **drop_ins: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    (tmp_path / "actions.d").mkdir()
    for name, content in drop_ins.items():
        (tmp_path / "actions.d" / f"{name}.toml").write_text(content)
    return path


def test_no_file_is_all_defaults() -> None:
    config = load_config(None)
    assert config == Config()
    assert (config.database.schema, config.daemon.concurrency, config.daemon.lease) == (
        "asyncjob",
        100,
        timedelta(seconds=15),
    )
    assert config.daemon_name


EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_example_file_has_every_key() -> None:
    """Keys that are only shown in a comment count too."""
    keys = set(re.findall(r"^#? ?(\w+) =", EXAMPLE.read_text(), re.MULTILINE))
    default = Config()
    sections = (default.database, default.daemon, default.retention, default.logging, default.metrics)
    tables = (*sections, default.web, ActionConfig, ScheduleConfig)
    assert keys == {key for table in tables for key in table.__struct_fields__}


def test_example_file_says_the_defaults() -> None:
    config = load_config(EXAMPLE)
    default = Config()
    assert (config.database, config.daemon, config.logging, config.metrics, config.web) == (
        default.database,
        default.daemon,
        default.logging,
        default.metrics,
        default.web,
    )


def test_drop_in_is_laid_over_the_file_key_by_key(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[actions.a]\nhandler = "m:a"\ntimeout = "90 s"\n',
        a="is_active = false",
        b='handler = "m:b"\nretry_interval = "1 month"',
    )
    actions = load_config(path).actions
    assert (actions["a"].handler, actions["a"].is_active, actions["a"].timeout) == (
        "m:a",
        False,
        "90 s",
    )
    assert actions["b"].retry_interval == "1 month"


def test_handler_that_cannot_be_imported_is_told_with_the_file_that_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, '[actions.a]\nhandler = "nowhere:x"\n', a="is_active = false")
    with pytest.raises(ConfigError, match=r"/config\.toml: \[actions\.a\] handler: cannot import"):
        load_actions(load_config(path))
    path.write_text("")
    (tmp_path / "actions.d" / "a.toml").write_text('handler = "nowhere:x"')
    with pytest.raises(ConfigError, match=r"/actions\.d/a\.toml: \[actions\.a\] handler: cannot import"):
        load_actions(load_config(path))


ACTION = "[actions.a]\nhandler = 'm:a'\n"
NO_UNIT = 'has no unit: write "15 s" or "15 min"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[deamon]", ": unknown key 'deamon'; did you mean 'daemon'?"),
        ("[daemon]\nzzz = 1", ": [daemon]: unknown key 'zzz'; known are name, concurrency, "),
        (
            "[daemon]\nconcurrency = 'many'",
            ': [daemon] concurrency: "many": expected a whole number from 1 to 100000',
        ),
        ("[daemon]\nconcurrency = 0", ": [daemon] concurrency: 0: expected a whole number from 1 to 100000"),
        (
            "[daemon]\nhandler_path = '.'",
            ': [daemon] handler_path: ".": expected a list of texts, such as ["a", "b"]',
        ),
        ("[daemon]\nlease = 15", f": [daemon] lease: 15 {NO_UNIT}"),
        ("[daemon]\nlease = '15'", f': [daemon] lease: "15" {NO_UNIT}'),
        (
            "[daemon]\nlease = 'PT15S'",
            ': [daemon] lease: "PT15S" is not a duration: write one such as "90 s"',
        ),
        ("[daemon]\nlease = '900 ms'", ': [daemon] lease: "900 ms" is too short: the shortest is 1 s'),
        (
            "[daemon]\nlease = '1 month'",
            ': [daemon] lease: "1 month": a month has no fixed length here: write days',
        ),
        ("[daemon]\nshutdown_grace = true", ": [daemon] shutdown_grace: true is not a duration"),
        ("[daemon]\nunknown_name_grace = -1", ": [daemon] unknown_name_grace: -1 is not a duration"),
        ("[retention]\ncompleted = 30", ': [retention] completed: 30 has no unit: write "30 s" or "30 min"'),
        ("[database]\nschema = 'a-b'", ': [database] schema: "a-b" is not a name'),
        ("[database]\nschema = 'pg_jobs'", ': [database] schema: "pg_jobs" is not a name'),
        ("[database]\nschema = 'user'", ': [database] schema: "user" is a reserved word of PostgreSQL'),
        ("[database]\ndsn = ['secret']", ": [database] dsn: a list: expected text in quotes"),
        (
            "[logging]\nformat = 'xml'",
            ': [logging] format: "xml": expected one of "auto", "console", "journal", "json"',
        ),
        ("[metrics]\nlisten = 9464", ": [metrics] listen: 9464: expected text in quotes"),
        (
            "[metrics]\nlisten = '9464'",
            ': [metrics] listen: "9464" is not host:port, such as "127.0.0.1:9464"',
        ),
        ("[metrics]\nlisten = ':9464'", ': [metrics] listen: ":9464" is not host:port'),
        ("[metrics]\nlisten = '::1:9464'", ': [metrics] listen: "::1:9464" is not host:port'),
        ("[metrics]\nlisten = 'a:65536'", ': [metrics] listen: "a:65536" is not host:port'),
        ("[actions.a]\nhandler = 1", ": [actions.a] handler: 1: expected text in quotes"),
        ("[actions.a]\nis_active = true", ': [actions.a]: handler is missing: write "module:attribute"'),
        (ACTION + "is_active = 'yes'", ': [actions.a] is_active: "yes": expected true or false'),
        (ACTION + "options = 1", ": [actions.a] options: 1: expected a table"),
        (
            ACTION + "timeout = 'soon'",
            ': [actions.a] timeout: "soon" is not a duration: write one such as "90 s"',
        ),
        (ACTION + "timeout = 15", f": [actions.a] timeout: 15 {NO_UNIT}"),
        (ACTION + "retry_interval = 15", f": [actions.a] retry_interval: 15 {NO_UNIT}"),
        (
            ACTION + "retry_interval = '0 s'",
            ': [actions.a] retry_interval: "0 s" is too short: the shortest is 1 ms',
        ),
        (
            ACTION + "retry_backoff = 1001",
            ": [actions.a] retry_backoff: 1001: expected a number from 1 to 1000",
        ),
        (ACTION + "retry_jitter = nan", ": [actions.a] retry_jitter: nan: expected a number from 0 to 1"),
        (ACTION + "retry_interval_max = 15", f": [actions.a] retry_interval_max: 15 {NO_UNIT}"),
        (
            ACTION + "timeout = '1001 years'",
            ': [actions.a] timeout: "1001 years" is too long: the longest is 1000',
        ),
        (ACTION + "timeout = '365000 d'", ': [actions.a] timeout: "365000 d" is too long'),
        (
            ACTION + "memory_limit = '512 MB'",
            ": [actions.a] memory_limit: only a process of its own can have one",
        ),
        (
            ACTION + "keep_log = '1 GB'",
            ': [actions.a] keep_log: "1 GB" is out of range: the smallest is 1 kB, the largest 256 kB',
        ),
        (
            ACTION + "memory_limit = 512",
            ': [actions.a] memory_limit: 512 has no unit: write "512 MB" or "2 GB"',
        ),
        (
            ACTION + "max_execution_count = 3000000000",
            ": [actions.a] max_execution_count: 3000000000: expected a whole number from 1 to 2147483647",
        ),
        (
            ACTION + "max_running = -1",
            ": [actions.a] max_running: -1: expected a whole number from 0 to 2147483647",
        ),
        (ACTION + "burst = 0", ": [actions.a] burst: 0: expected a whole number from 1 to 1000000"),
        (ACTION + "rate = 100", ": [actions.a] rate: 100 is not a rate: write one such as"),
        (
            ACTION + "rate_per_key = '100/min'",
            ': [actions.a] rate_per_key: "100/min" is not a rate: write one such as "100 per minute"',
        ),
        ("[actions]\na = 1", ": [actions.a]: 1: expected a table"),
        ("actions = 1", ": [actions]: 1: expected a table of actions"),
        ("daemon = 1", ": [daemon]: 1: expected a table"),
    ],
)
def test_wrong_file_is_refused_with_file_key_value_and_what_to_write(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert refused.value.problems == [str(refused.value)]
    assert str(refused.value).startswith(f"{path}{problem}")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    wrong = "[deamon]\n[daemon]\nlease = 15\nthreads = 0\n[metrics]\nlisten = '1'\n[actions.a]\ntimeout = 1\n"
    path = written(tmp_path, wrong, a="handler = 1\nretry_interval = 2", b="= 1", c="handlr = 'm:c'")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    places = [problem.removeprefix(f"{tmp_path}/").partition(" ")[0] for problem in refused.value.problems]
    assert places == ["config.toml:"] * 4 + ["actions.d/b.toml:"] + ["actions.d/a.toml:"] * 2 + [
        "config.toml:",
        "actions.d/c.toml:",
    ]
    assert str(refused.value) == "\n".join(refused.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[daemon]\nlease = 15 s", 'line 2, column 12: lease: text has quotes around it: write "15 s"'),
        ("[daemon]\nlease = soon", "line 2, column 9: lease: text has quotes around it"),
        ('[database]\ndsn = "secret\n', "line 2, column 14: dsn: a quote is missing at the end of a text"),
        ('dsn = "secret', "at the end of the file: dsn: a quote is missing at the end of a text"),
        ("a = 'secret", "at the end of the file: a: a quote is missing at the end of a text"),
        ("is_active = True", "line 1, column 13: is_active: true and false are written in small letters"),
        ("a = ", 'at the end of the file: a: a value is missing after "="'),
        ("a = = 1", "line 1, column 5: a: not a value of TOML"),
        ("a = 'x' 'secret'", "line 1, column 9: a: one value is expected, and then a new line"),
        ("[actions.a]\nhandler: 'x'", 'line 2, column 8: expected "=" after the key'),
        ("[daemon", 'at the end of the file: a "]" is missing after the name of a table'),
        ("[a]\nb = 1\nb = 2\n", "line 3, column 6: b: the key or table is there twice"),
        ("[a]\n[a]\n", "line 2, column 3: the table is there twice"),
        ("a = ['x' 'y']", 'line 1, column 10: a: a "]" or a comma is missing in a list'),
        ("?", 'line 1, column 1: expected "[table]" or "key = value"'),
    ],
)
def test_wrong_syntax_is_told_in_plain_words_without_the_value(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(refused.value) == f"{path}: {problem}"


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8 text: byte 5 cannot be read"):
        load_config(path)


def test_byte_order_mark_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff[daemon]\n")
    with pytest.raises(ConfigError, match="it begins with a byte order mark: save it as UTF-8 without one"):
        load_config(path)


def test_durations_of_the_daemon_are_timedeltas(tmp_path: Path) -> None:
    path = written(
        tmp_path, '[daemon]\nlease = "1 min 30 s"\nshutdown_grace = "0 s"\nunknown_name_grace = "0.5 s"'
    )
    daemon = load_config(path).daemon
    assert (daemon.lease, daemon.shutdown_grace, daemon.unknown_name_grace) == (
        timedelta(seconds=90),
        timedelta(0),
        timedelta(milliseconds=500),
    )


def test_handlers_that_cannot_be_imported_are_all_told(tmp_path: Path) -> None:
    path = written(
        tmp_path, "[daemon]\nhooks = ['nowhere:h']", a='handler = "nowhere:a"', b='handler = "nowhere:b"'
    )
    with pytest.raises(ConfigError) as refused:
        load_actions(load_config(path))
    assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
        str(path),
        str(tmp_path / "actions.d" / "a.toml"),
        str(tmp_path / "actions.d" / "b.toml"),
    ]


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("a-host:1", ("a-host", 1)),
        ("", None),
    ],
)
def test_metrics_address_is_parsed_or_refused(
    tmp_path: Path, listen: str, address: tuple[str, int] | None
) -> None:
    assert load_config(written(tmp_path, f"[metrics]\nlisten = '{listen}'")).metrics.address == address


def test_wrong_drop_in_is_refused_by_its_own_name(tmp_path: Path) -> None:
    path = written(tmp_path, "", a="handlr = 'm:a'")
    with pytest.raises(
        ConfigError, match=r"actions\.d/a\.toml: unknown key 'handlr'; did you mean 'handler'\?"
    ):
        load_config(path)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("no_colon", "'no_colon' is not of the form 'module:attribute'"),
        ("no.such.module:x", "cannot import 'no.such.module': ModuleNotFoundError"),
        ("json:nothing", "module 'json' has no 'nothing'"),
        ("json:__name__", "'json:__name__' is neither a JobHandler nor a function"),
        ("json:JSONDecoder", "'json:JSONDecoder' is neither a JobHandler nor a function"),
        ("os:getpid", "'os:getpid' cannot be a handler: it must take two arguments: params and context"),
    ],
)
def test_handler_that_cannot_be_loaded_is_refused(tmp_path: Path, handler: str, reason: str) -> None:
    path = written(tmp_path, f'[actions.a]\nhandler = "{handler}"')
    with pytest.raises(ConfigError) as refused:
        load_actions(load_config(path))
    assert str(refused.value).startswith(f"{path}: [actions.a] handler: ")
    assert reason in str(refused.value)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: No such file or directory"):
        load_config(tmp_path / "nothing.toml")


@pytest.mark.anyio
async def test_reserved_words_are_those_of_postgresql(db: Any) -> None:
    words = await db.fetch("select word from pg_get_keywords() where catcode in ('R', 'T')")
    assert {row["word"] for row in words} <= RESERVED
