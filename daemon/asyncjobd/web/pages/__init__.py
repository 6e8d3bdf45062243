"""The pages of `asyncjobd web`."""

from asyncjobd.web.pages import (
    action,
    daemons,
    documentation,
    failures,
    graph,
    history,
    job,
    jobs,
    overview,
    schedule,
    tree,
)

PAGES = [
    overview.PAGE, jobs.PAGE, job.PAGE, failures.PAGE, schedule.PAGE, daemons.PAGE, action.PAGE,
    tree.PAGE, graph.PAGE, history.PAGE,
]  # fmt: skip
HELP = [documentation.CONTENTS, documentation.PAGE]
