"""The first page: what is wrong, how much waits and runs, and who works."""

from collections.abc import Sequence
from datetime import UTC

from asyncjobd.monitoring.health import Trouble, lateness, troubles
from asyncjobd.monitoring.overview import Observer, Overview, Row, is_silent
from asyncjobd.monitoring.units import duration, rate, total
from asyncjobd.web.charts import Charts, charts_of
from asyncjobd.web.page import LIVE, Asked, Model, Page


class Figure(Model):
    """A figure of the whole queue; `link`: the page that has the rest."""

    value: str
    link: str = ""
    gravity: int = 0


class OverviewModel(Model):
    """All of an overview. `gravity`: 0 all well, 1 something is slow or will be, 2 something is wrong."""

    troubles: list[Trouble]
    figures: list[Figure]
    history: Charts
    daemons: list[Row]
    actions: list[Row]
    running: list[Row]
    failures: list[Row]

    @property
    def gravity(self) -> int:
        return 0 if not self.troubles else 2 if self.troubles[0].is_grave else 1

    @property
    def seen(self) -> Overview:
        """Return what was seen of the database, for other pages to use."""
        return Overview(self.daemons, self.actions, self.running, self.failures)

    @property
    def badge(self) -> str:
        """Return how the whole is, in a word."""
        number = len(self.troubles)
        return "ALL WELL" if not number else f"{number} TROUBLE{'S' if number > 1 else ''}"


async def overview(asked: Asked) -> OverviewModel:
    """Look at everything."""
    seen = await Observer(asked.fetch, asked.last_hour, UTC).look()
    return model_of(seen, charts_of(await asked.last_hour.read(asked.fetch, asked.now), "1h"))


def model_of(seen: Overview, history: Charts) -> OverviewModel:
    """Return what the page shows: first the actions that need somebody, then those at work."""
    for action in seen.actions:
        action["lateness"] = lateness(action)
    names = {daemon["id"]: daemon["name"] for daemon in seen.daemons}
    for job in seen.running:
        job["daemon"] = names.get(job["daemon_id"])
    for daemon in seen.daemons:
        daemon["is_silent"] = is_silent(daemon)
    return OverviewModel(
        title="Overview",
        troubles=troubles(seen),
        figures=_figures(seen),
        history=history,
        daemons=seen.daemons,
        actions=sorted(seen.actions, key=_urgency),
        running=seen.running,
        failures=seen.failures,
    )


def _figures(seen: Overview) -> list[Figure]:
    slots = sum(daemon["concurrency"] for daemon in seen.daemons)
    running = sum(daemon["running"] for daemon in seen.daemons)
    oldest = max((action["oldest_ready"] or 0 for action in seen.actions), default=0)
    late = max((action["lateness"] for action in seen.actions), default=0)
    failed = _total(seen.actions, "failed")
    return [
        Figure(title="ended", value=rate(sum(action["rate"] for action in seen.actions))),
        Figure(title="running", value=f"{running}/{slots}", link="/jobs?q=status:running"),
        Figure(title="ready", value=_total(seen.actions, "ready"), link="/jobs?q=status:ready"),
        Figure(title="oldest ready", value=duration(oldest) if oldest else "-", gravity=late),
        Figure(title="queued", value=_total(seen.actions, "queued"), link="/jobs?q=status:Queued"),
        Figure(title="held", value=_total(seen.actions, "held"), link="/jobs?q=status:Hold"),
        Figure(title="failed", value=failed, link="/failures", gravity=int(failed != "0")),
    ]


def _total(actions: Sequence[Row], state: str) -> str:
    return total(action[state] for action in actions)


def _urgency(action: Row) -> tuple[object, ...]:
    return (
        -action["lateness"],
        not action["waits_because"],
        not (action["ready"] or action["running"] or action["rate"]),
        action["name"],
    )


PAGE = Page("/", "overview", overview, LIVE, in_menu="Overview")
