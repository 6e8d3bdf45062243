"""The schedules of the configuration: what they say, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.model import ScheduleConfig

NIGHTLY = "[schedules.nightly]\njob_name = 'Report'\n"


def load(folder: Path, text: str) -> dict[str, ScheduleConfig]:
    (folder / "config.toml").write_text(text)
    return load_config(folder / "config.toml").schedules


def test_defaults(tmp_path: Path) -> None:
    schedule = load(tmp_path, f"{NIGHTLY}cron = '30 2 * * MON-FRI'")["nightly"]
    assert schedule == ScheduleConfig(job_name="Report", cron="30 2 * * MON-FRI")
    assert (schedule.time_zone, schedule.params, schedule.priority) == ("UTC", {}, 0)
    assert (schedule.catch_up, schedule.catch_up_for) == ("one", timedelta(days=1))
    assert (schedule.overlap, schedule.jitter) == ("skip", timedelta(0))


def test_every_key(tmp_path: Path) -> None:
    text = (
        "every = '15 min'\nanchor = 2030-01-01T02:00:00+02:00\nparams = {kind = 'full'}\npriority = -5\n"
        "max_execution_count = 2\ntimeout = '1 hour'\nlimit_key = 'k'\ncatch_up = 'all'\ncatch_up_for = '2 days'\n"
        "overlap = 'allow'\njitter = '90 s'\n"
    )
    schedule = load(tmp_path, NIGHTLY + text)["nightly"]
    assert schedule.calendar.after(datetime(2000, 1, 1, tzinfo=UTC)) == datetime(2030, 1, 1, tzinfo=UTC)
    assert schedule.columns("nightly") == {
        "name": "nightly", "job_name": "Report", "cron": None, "time_zone": "UTC", "every": "15 min",
        "anchor": datetime(2030, 1, 1, tzinfo=UTC), "params": {"kind": "full"}, "priority": -5,
        "max_execution_count": 2, "timeout": "1 hour", "limit_key": "k", "catch_up": "all", "catch_up_for": "2 days",
        "overlap": "allow", "jitter": "1 min 30 s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schedules = 5", "[schedules]: 5: expected a table of schedules"),
        ("[schedules]\nnightly = 5", "[schedules.nightly]: 5: expected a table"),
        ("[schedules.nightly]\ncron = '@daily'", "[schedules.nightly]: job_name is missing: expected text in quotes"),
        (f"{NIGHTLY}crom = '@daily'", "[schedules.nightly]: unknown key 'crom'; did you mean 'cron'?"),
        (NIGHTLY, "[schedules.nightly]: expected either cron, such as"),
        (f"{NIGHTLY}cron = '@daily'\nevery = '1 day'", "[schedules.nightly]: expected either cron, such as"),
        (f"{NIGHTLY}cron = '61 * * * *'", '[schedules.nightly] cron: "61 * * * *" is no cron line (bad minute): write'),
        (f"{NIGHTLY}cron = 5", "[schedules.nightly] cron: 5 is no cron line: write"),
        (f"{NIGHTLY}cron = '@daily'\ntime_zone = 'Berlin'", '[schedules.nightly] time_zone: "Berlin" is no time zone'),
        (f"{NIGHTLY}every = '1 day'\ntime_zone = 'Asia/Tokyo'", "[schedules.nightly] time_zone: only cron has one"),
        (f"{NIGHTLY}every = 5", "[schedules.nightly] every: 5 has no unit"),
        (f"{NIGHTLY}every = '0.5 s'", '[schedules.nightly] every: "0.5 s" is too short: the shortest is 1 s'),
        (f"{NIGHTLY}every = '1 month'", '[schedules.nightly] every: "1 month": a month has no fixed length'),
        (f"{NIGHTLY}cron = '@daily'\nanchor = 2030-01-01T00:00:00Z", "[schedules.nightly] anchor: only every has one"),
        (
            f"{NIGHTLY}every = '1 day'\nanchor = 2030-01-01T00:00:00",
            "[schedules.nightly] anchor: a datetime: expected a time with its zone, such as 2030-01-31T09:30:00Z",
        ),
        (
            f"{NIGHTLY}cron = '@daily'\ncatch_up = 'some'",
            '[schedules.nightly] catch_up: "some": expected one of "all", "none", "one"',
        ),
        (f"{NIGHTLY}cron = '@daily'\npriority = 40000", "[schedules.nightly] priority: 40000: expected a whole number"),
        (
            f"{NIGHTLY}every = '1 day'\nanchor = 0999-01-01T00:00:00Z",
            "[schedules.nightly] anchor: 0999-01-01T00:00:00+00:00: expected a time between the years 1000 and 9000",
        ),
        (f"{NIGHTLY}cron = '@daily'\nlimit_key = ''", '[schedules.nightly] limit_key: "" is empty: expected 1 to 500 bytes'),
        (
            f'{NIGHTLY}cron = "@daily"\nparams = {{a = ["x\\u0000"]}}',
            "[schedules.nightly] params: a text in it has \\u0000, which PostgreSQL cannot store",
        ),
        (f"[schedules.{'x' * 401}]\njob_name = 'a'\ncron = '@daily'", f"[schedules.{'x' * 401}]: the name"),
        ("[actions.'']\nhandler = 'a:b'", '[actions.]: the name "" is empty: expected 1 to 500 bytes'),
        (f"{NIGHTLY}cron = '@daily'\njitter = '2 days'", '[schedules.nightly] jitter: "2 days" is too long'),
    ],
)  # fmt: skip
def test_wrong_schedule_is_refused_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, text)
    assert f"config.toml: {problem}" in str(refusal.value)
