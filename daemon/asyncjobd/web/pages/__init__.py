"""The pages of `asyncjobd web`."""

from asyncjobd.web.pages import action, daemons, documentation, failures, job, jobs, overview, schedule, tree

PAGES = [
    overview.PAGE, jobs.PAGE, job.PAGE, failures.PAGE, schedule.PAGE, daemons.PAGE, action.PAGE,
    tree.PAGE,
]  # fmt: skip
HELP = [documentation.CONTENTS, documentation.PAGE]
