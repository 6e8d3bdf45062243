"""For the tests of handlers: one execution without a database, or all jobs of one, in the test's own process.

    ran = await run_job(EmailSender, {"to": "a@b.c"})
    assert (ran.status, ran.message) == (Status.COMPLETED, "sent to a@b.c")

`Workbench` needs a database; the fixtures of `asyncjobd.testing.fixtures` bring one.
"""

from asyncjobd.testing.inline import NeedsDatabase, Ran, run_job
from asyncjobd.testing.workbench import Workbench

__all__ = ["NeedsDatabase", "Ran", "Workbench", "run_job"]
