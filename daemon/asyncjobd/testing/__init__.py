"""Helpers for tests of handlers, which run in the test's own process.

`run_job` runs one execution without a database:

    ran = await run_job(EmailSender, {"to": "a@b.c"})
    assert (ran.status, ran.message) == (Status.COMPLETED, "sent to a@b.c")

`Workbench` runs the jobs of a database, which the fixtures of `asyncjobd.testing.fixtures` bring.
"""

from asyncjobd.testing.inline import NeedsDatabase, Ran, run_job
from asyncjobd.testing.workbench import Workbench

__all__ = ["NeedsDatabase", "Ran", "Workbench", "run_job"]
