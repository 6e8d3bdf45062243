"""Daemons that delete what ended some seconds ago, and what they have to keep."""

from collections.abc import Iterator
from typing import ClassVar

from asyncjobd.config.model import RetentionConfig
from tests.faults.ledger import Ledger
from tests.simulation.feature import Feature
from tests.simulation.server import Server

SECONDS = 3.0  # for which rows and executions are kept
RETENTION = RetentionConfig(completed=f"{SECONDS:g} s", failed=f"{SECONDS:g} s", executions=f"{SECONDS:g} s")


class Pruning(Feature):
    """Nobody acts: each daemon deletes once it has started."""

    name: ClassVar = "pruning"

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        for row in server.run("select * from ledger.pruned order by id"):
            if row["status"] not in ("Completed", "Failed") or row["daemon_id"] is not None:
                yield f"job {row['id']} was deleted, and was {row['status']}, owned by {row['daemon_id']}"
            elif (row["at"] - row["finished_at"]).total_seconds() < SECONDS:
                yield f"job {row['id']} was deleted at {row['at']}, and ended at {row['finished_at']}"
            elif row["is_needed"]:
                yield f"job {row['id']} was deleted, and another one waits for it"


def restore(ledger: Ledger, server: Server) -> None:
    """Add to the ledger what daemons have deleted: it was right as long as it was there."""
    for row in server.run("select * from ledger.pruned"):
        if ledger.jobs.setdefault(row["id"], row) is row and not ledger.ends[row["id"]]:
            # Who recorded the end got no answer, and found the row gone when it asked again
            ledger.ends[row["id"]] += ledger.lost[row["id"]][:1]
    for row in server.run("select * from ledger.pruned_execution"):
        ledger.kept.setdefault((row["job_id"], row["number"]), row["status"])
