"""The pages of `asyncjobd web`."""

from asyncjobd.web.pages import job, jobs, overview

PAGES = [overview.PAGE, jobs.PAGE, job.PAGE]
