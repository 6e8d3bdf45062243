"""Actions whose handlers run in worker processes."""

import pytest

from tests.actions.options_handlers import Greets
from tests.support.actions import ISOLATED, Actions, action, actions_of, isolated
from tests.support.handlers import fans_out, reports, succeed, writes
from tests.workers import hazards_handlers
from tests.workers.hazards_handlers import hoards, ignores_all, leaks


@pytest.fixture(scope="module")
def actions() -> Actions:
    """The handlers of hazards_handlers.py and some common ones, isolated; "succeed" runs in the daemon itself."""
    return {
        **actions_of(hazards_handlers, **ISOLATED),
        **{handler.__name__: isolated(handler) for handler in (fans_out, reports, writes)},
        "starves": isolated(leaks, memory_limit="128 MB"),
        "tight": isolated(fans_out, memory_limit="64 MB"),
        "hoards": isolated(hoards, memory_limit="256 MB"),
        "greets": isolated(Greets, options={"greeting": "hello"}),
        "late": isolated(ignores_all, timeout="0.5 s"),
        "succeed": action(succeed),
    }
