"""Handlers whose failures differ by the class of their exception."""

from typing import Any, NoReturn

from asyncjobd import Context, JobHandler, JobResult


class ProviderError(Exception):
    """The action has it among its fatal_exceptions."""


class Declined(ProviderError):
    pass


class Unavailable(ProviderError):
    """The action has it among its retried_exceptions."""


class StillUnavailable(Unavailable):
    pass


KINDS = {kind.__name__: kind for kind in (ProviderError, Declined, Unavailable, StillUnavailable, KeyError)}


async def charge(params: dict[str, Any], context: Context) -> NoReturn:
    """Raise the exception called params["kind"], within a group if "grouped" is among the params."""
    error = KINDS[params["kind"]]("as asked")
    if "grouped" in params:
        raise ExceptionGroup("of several", [ValueError("another"), error])
    raise error


def charge_in_thread(params: dict[str, Any], context: Context) -> NoReturn:
    raise KINDS[params["kind"]]("as asked")


class Incomparable(type):
    """Classes that cannot be looked for in a set."""

    __hash__ = None  # type: ignore[assignment]


class Odd(Exception, metaclass=Incomparable):
    pass


async def odd(params: dict[str, Any], context: Context) -> NoReturn:
    raise Odd("as asked")


class Strict(JobHandler[dict[str, int]]):
    """Its params must have numbers as values."""

    async def execute(self) -> JobResult:
        return JobResult.success()
