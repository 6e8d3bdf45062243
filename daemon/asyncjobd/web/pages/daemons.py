"""The daemons: who works, on what, since when and in which version."""

from collections import Counter
from datetime import UTC

from asyncjobd.monitoring.overview import Observer, Row, is_silent
from asyncjobd.web.page import LISTS, Asked, Model, Page


class DaemonsModel(Model):
    """The daemons, with the jobs that each runs. `versions`: how many daemons run each."""

    daemons: list[Row]
    versions: dict[str, int]


async def daemons(asked: Asked) -> DaemonsModel:
    """Look at the daemons."""
    seen = asked.overview or await Observer(asked.fetch, asked.last_hour, UTC).look()
    served = Counter(action for daemon in seen.daemons for action in daemon["actions"])
    rows = [
        daemon
        | {
            "is_silent": is_silent(daemon),
            "jobs": [job for job in seen.running if job["daemon_id"] == daemon["id"]],
            "alone": [action for action in daemon["actions"] if served[action] == 1],
        }
        for daemon in seen.daemons
    ]
    versions = Counter(daemon["version"] for daemon in seen.daemons)
    return DaemonsModel(title="Daemons", daemons=rows, versions=dict(versions))


PAGE = Page("/daemons", "daemons", daemons, LISTS, in_menu="Daemons", uses_overview=True)
