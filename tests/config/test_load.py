"""The configuration: what it says, and what it refuses."""

import re
from pathlib import Path

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.load import ActionConfig, Config, ConfigError, interval, load_config


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
    assert (config.database.schema, config.daemon.concurrency, config.daemon.lease) == ("asyncjob", 100, 15)
    assert config.daemon_name


EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_example_file_has_every_key() -> None:
    """Keys that are only shown in a comment count too."""
    keys = set(re.findall(r"^#? ?(\w+) =", EXAMPLE.read_text(), re.MULTILINE))
    default = Config()
    sections = (default.database, default.daemon, default.retention, default.logging, default.metrics)
    assert keys == {key for section in (*sections, ActionConfig) for key in section.__struct_fields__}


def test_example_file_says_the_defaults() -> None:
    config = load_config(EXAMPLE)
    default = Config()
    assert (config.database, config.daemon, config.logging, config.metrics) == (
        default.database,
        default.daemon,
        default.logging,
        default.metrics,
    )


def test_drop_in_is_laid_over_the_file_key_by_key(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[actions.a]\nhandler = "m:a"\ntimeout = "90 s"\n',
        a="is_active = false",
        b='handler = "m:b"\nretry_interval = 0.5',
    )
    actions = load_config(path).actions
    assert (actions["a"].handler, actions["a"].is_active, interval(actions["a"].timeout)) == (
        "m:a",
        False,
        "90 s",
    )
    assert interval(actions["b"].retry_interval) == "0.5 minutes"


def test_duration_has_no_exponent_which_postgresql_would_refuse() -> None:
    assert interval(0.00002) == "0.00002 minutes"


def test_handler_that_cannot_be_imported_is_told_with_the_file_that_names_it(tmp_path: Path) -> None:
    path = written(tmp_path, '[actions.a]\nhandler = "nowhere:x"\n', a="is_active = false")
    with pytest.raises(ConfigError, match=r"/config\.toml: \[actions\.a\] handler: cannot import"):
        load_actions(load_config(path))
    path.write_text("")
    (tmp_path / "actions.d" / "a.toml").write_text('handler = "nowhere:x"')
    with pytest.raises(ConfigError, match=r"/actions\.d/a\.toml: \[actions\.a\] handler: cannot import"):
        load_actions(load_config(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[deamon]", "the file: unknown key 'deamon'; did you mean 'daemon'?"),
        ("[daemon]\nzzz = 1", "[daemon]: unknown key 'zzz'; known are name, concurrency"),
        ("[daemon]\nconcurrency = 'many'", "[daemon] concurrency: expected `int`, got `str`"),
        ("[daemon]\nconcurrency = 0", "[daemon] concurrency: expected `int` >= 1"),
        ("[database]\nschema = 'a-b'", "[database] schema: 'a-b' is not a name"),
        ("[logging]\nformat = 'xml'", "[logging] format: invalid enum value 'xml'"),
        ("[metrics]\nlisten = 9464", "[metrics] listen: expected `str`, got `int`"),
        ("[metrics]\nlisten = '9464'", "[metrics] listen: '9464' is not host:port, such as '127.0.0.1:9464'"),
        ("[metrics]\nlisten = ':9464'", "[metrics] listen: ':9464' is not host:port"),
        ("[metrics]\nlisten = '::1:9464'", "[metrics] listen: '::1:9464' is not host:port"),
        ("[metrics]\nlisten = 'a:65536'", "[metrics] listen: 'a:65536' is not host:port"),
        ("[actions.a]\nhandler = 1", "[actions.a] handler: expected `str`, got `int`"),
        ("[actions.a]\nis_active = true", "[actions.a]: handler is missing: expected 'module:attribute'"),
        (
            "[actions.a]\nhandler = 'm:a'\ntimeout = 'soon'",
            "[actions.a] timeout: 'soon' is neither a number of minutes",
        ),
        (
            "[actions.a]\nhandler = 'm:a'\nretry_interval = 0",
            "[actions.a] retry_interval: 0.0 is neither a number of minutes",
        ),
        (
            "[actions.a]\nhandler = 'm:a'\nretry_interval = '0 s'",
            "[actions.a] retry_interval: '0 s' is neither",
        ),
        (
            "[actions.a]\nhandler = 'm:a'\ntimeout = '1001 years'",
            "[actions.a] timeout: '1001 years' is neither",
        ),
        ("[actions.a]\nhandler = 'm:a'\ntimeout = '365000 d'", "[actions.a] timeout: '365000 d' is neither"),
        (
            "[actions.a]\nhandler = 'm:a'\nmax_execution_count = 3000000000",
            "max_execution_count: expected `int` <= 2147483647",
        ),
        ("[actions]\na = 1", "[actions.a]: expected a table, got int"),
        ("daemon = 1", "[daemon]: expected `object`, got `int`"),
        ("x = = 1", "not valid TOML"),
    ],
)
def test_wrong_file_is_refused_with_file_key_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert reason in str(refused.value)


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
        ConfigError, match=r"actions\.d/a\.toml: the file: unknown key 'handlr'; did you mean 'handler'\?"
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
