"""Tables as structs, and the text with a unit in the options of any handler."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel

from asyncjobd.actions.handlers import OptionsError, make_handler
from asyncjobd.config.durations import DurationText
from asyncjobd.config.sizes import SizeText
from asyncjobd.config.tables import read_units
from asyncjobd.handler import JobHandler


class Inner(msgspec.Struct, frozen=True):
    pause: timedelta | None = None


class Options(msgspec.Struct):
    name: str = ""
    timeout: timedelta = timedelta(0)
    short: Annotated[timedelta, DurationText(at_most=timedelta(seconds=1))] | None = None
    memory: Annotated[str, SizeText()] = "1 MB"
    inner: Inner = Inner()


class Renamed(msgspec.Struct, rename="camel"):
    long_timeout: timedelta


@dataclass
class Plain:
    timeout: timedelta


class Model(BaseModel):
    timeout: timedelta


def test_text_with_a_unit_is_read_in_options_of_every_kind() -> None:
    table = {"name": "90 s", "timeout": "1 min", "short": "10 ms", "inner": {"pause": "2 s"}, "other": 1}
    assert read_units(Options, table) == {
        "name": "90 s",
        "timeout": timedelta(minutes=1),
        "short": timedelta(milliseconds=10),
        "inner": {"pause": timedelta(seconds=2)},
        "other": 1,
    }
    assert read_units(Renamed, {"longTimeout": "2 h"}) == {"longTimeout": timedelta(hours=2)}
    assert read_units(Plain, {"timeout": "2 h"}) == {"timeout": timedelta(hours=2)}
    assert read_units(dict[str, Any], {"timeout": "2 h"}) == {"timeout": "2 h"}


@pytest.mark.parametrize("kind", [Plain, Model, Options])
@pytest.mark.parametrize(
    ("value", "reason"), [(15, "timeout: 15 has no unit"), ("PT1S", "is not a duration")]
)
def test_duration_without_a_unit_is_refused_in_options_of_every_kind(
    kind: Any, value: object, reason: str
) -> None:
    class Handler(JobHandler[Any]):
        Options = kind

        async def execute(self) -> None:  # type: ignore[override]
            pass

    with pytest.raises(OptionsError, match=reason):
        make_handler("a", Handler, options={"timeout": value})
    make_handler("a", Handler, options={"timeout": "15 s"})


def test_key_within_a_table_is_named() -> None:
    with pytest.raises(ValueError, match=r'^inner\.pause: 2 has no unit: write "2 s" or "2 min"$'):
        read_units(Options, {"inner": {"pause": 2}})
