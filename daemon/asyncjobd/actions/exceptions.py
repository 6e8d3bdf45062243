"""Which exceptions of a handler fail its job at once, as the action names them."""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncjobd.actions.imports import LoadError, load_object
from asyncjobd.params import ParamsError

Kinds = frozenset[type[BaseException]]


class ExceptionsError(LoadError):
    """Raised when a name is not that of an exception class, or is in both lists. `key`: the list to correct."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key


@dataclass(frozen=True, slots=True)
class ExceptionRules:
    """The classes whose exceptions are fatal, and those whose exceptions are retried.

    Exceptions of neither are retried. Subclasses are meant as well. Of several classes the one nearest to the
    exception's own counts.
    """

    fatal: Kinds = frozenset({ParamsError})
    retried: Kinds = frozenset()

    def is_fatal(self, error: BaseException) -> bool:
        """Return whether no retry can help. A group is fatal if one of its exceptions is."""
        if isinstance(error, BaseExceptionGroup):
            return any(map(self.is_fatal, error.exceptions))
        for kind in type(error).__mro__:
            if kind in self.retried or kind in self.fatal:
                return kind not in self.retried
        return False


USUAL = ExceptionRules()


def load_rules(fatal_exceptions: Sequence[str], retried_exceptions: Sequence[str]) -> ExceptionRules:
    """Import the exceptions called "module:class", and return the rules. Raise ExceptionsError."""
    fatal = _load("fatal_exceptions", fatal_exceptions)
    retried = _load("retried_exceptions", retried_exceptions)
    for kind in fatal & retried:
        raise ExceptionsError("retried_exceptions", f"{kind.__name__} is in fatal_exceptions, too")
    return ExceptionRules(USUAL.fatal | fatal, retried)


def _load(key: str, names: Sequence[str]) -> Kinds:
    kinds = set()
    for name in names:
        try:
            kind = load_object(name)
        except LoadError as error:
            raise ExceptionsError(key, str(error)) from error
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ExceptionsError(key, f"{name!r} is no exception class")
        kinds.add(kind)
    return frozenset(kinds)
