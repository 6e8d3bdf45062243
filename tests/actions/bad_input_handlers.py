"""Handlers with typed params, and handlers that misbehave in a way that must hurt no other job."""

import asyncio
import sys
from dataclasses import dataclass
from typing import Any, NoReturn, TypedDict

import msgspec
import pydantic

from asyncjobd import Context, JobHandler, JobResult


class Address(msgspec.Struct):
    to: str
    copies: int = 1


class Point(TypedDict):
    x: int
    y: int


@dataclass
class Numbers:
    values: list[int]


class Weight(pydantic.BaseModel):
    grams: int = pydantic.Field(gt=0)


async def typed(params: Point, context: Context) -> JobResult:
    return JobResult.success(str(params["x"] + params["y"]))


def sums(params: Numbers, context: Context) -> JobResult:
    return JobResult.success(str(sum(params.values)))


async def weighs(params: Weight, context: Context) -> JobResult:
    return JobResult.success(f"{params.grams} g")


class typed_class(JobHandler[Address]):  # noqa: N801
    async def execute(self) -> JobResult:
        return JobResult.success(f"{self.params.to} x {self.params.copies}")


class checked(JobHandler[Address]):  # noqa: N801
    """A handler that checks its params beyond their type."""

    def set_params(self, raw: Any) -> None:
        super().set_params(raw | {"to": raw["to"].lower()})
        if "@" not in self.params.to:
            raise ValueError(f"{self.params.to!r} is not an address")

    async def execute(self) -> JobResult:
        return JobResult.success(self.params.to)


async def nonsense(params: dict[str, Any], context: Context) -> Any:
    return 42


async def exits(params: dict[str, Any], context: Context) -> NoReturn:
    sys.exit(3)


def exits_in_thread(params: dict[str, Any], context: Context) -> NoReturn:
    sys.exit(4)


def stops_iteration(params: dict[str, Any], context: Context) -> object:
    return next(iter([]))


async def untraceable(params: dict[str, Any], context: Context) -> NoReturn:
    """Raise an exception that the traceback module itself cannot format."""
    raise SyntaxError("x", ("f", 1, 2, 3))  # type: ignore[arg-type]


async def cancels_itself(params: dict[str, Any], context: Context) -> NoReturn:
    raise asyncio.CancelledError


async def stubborn(params: dict[str, Any], context: Context) -> JobResult:
    """Swallow the first cancellation."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)
    return JobResult.success()


async def wrong_after(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.retry_later("when?", after="tomorrow")  # type: ignore[arg-type]


async def unstorable(params: dict[str, Any], context: Context) -> JobResult:
    """Return text that PostgreSQL refuses."""
    return JobResult.success("NUL \0 in text", {"text": "\0"})


async def unprintable(params: dict[str, Any], context: Context) -> JobResult:
    """Return a result that is not JSON."""
    return JobResult.success("not JSON", object())


async def no_unicode(params: dict[str, Any], context: Context) -> JobResult:
    """Return text that UTF-8 cannot encode."""
    return JobResult.success(result={"a": "a \ud800"})


async def answers_megabytes(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success(result="x" * 5_000_000)


async def shouts(params: dict[str, int], context: Context) -> NoReturn:
    """Report progress and fail with a text of params["characters"]."""
    text = "x" * params["characters"]
    context.progress(0.5, text)
    raise RuntimeError(text)
