"""Measure what the server writes for a job in its life: `python -m tests.benchmarks.row_life`.

Inserts, claims and records rows by the statements of a drain, and prints the WAL and the buffers of each row as EXPLAIN
counts them.

`--check` does the same with a few rows, to show that the benchmark still works.
"""

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.benchmarks import statements
from tests.benchmarks.bench import SETTINGS
from tests.support.postgres import binaries

EXPLAIN = "explain (analyze, buffers, wal, timing off, format json) "
INSERT = (
    """insert into asyncjob.job (job_name, params) select 'noop', '{"n": 1}' from generate_series(1, $1)"""
)
CLAIMED = "select array_agg(id order by id) from asyncjob.job where claim_token = $1"
FIGURES = ("WAL Records", "WAL FPI", "WAL Bytes", "Shared Hit Blocks", "Shared Dirtied Blocks")
BATCH = 500  # rows


class Life:
    """Counts the figures of each stage."""

    def __init__(self, database: Database, db: Any) -> None:
        self._database = database
        self._db = db
        self.stages: dict[str, Counter[str]] = {stage: Counter() for stage in ("insert", "claim", "record")}

    async def live(self, token: int, place: tuple[int, int]) -> tuple[int, int]:
        """Insert, claim and record a batch, and return the place of its last row."""
        await self._explain("insert", INSERT, BATCH)
        await self._explain("claim", *statements.claim(self._database, "noop", token, BATCH, place))
        ids = await self._db.fetchval(CLAIMED, token)
        await self._explain("record", *statements.record(self._database, token, ids))
        return 0, ids[-1]

    async def _explain(self, stage: str, sql: str, *arguments: Any) -> None:
        (explained,) = json.loads(await self._db.fetchval(EXPLAIN + sql, *arguments))
        self.stages[stage].update({figure: explained["Plan"][figure] for figure in FIGURES})


async def main(postgres: str, batches: int) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries(postgres), SETTINGS | {"autovacuum": "off"})
        await server.ensure()
        try:
            database = Database(DatabaseConfig(dsn=server.dsn))
            await migrate(database)
            db = await database.connect("benchmark", Use.ENGINE)
            await db.execute("checkpoint")
            life, place = Life(database, db), (-(2**15), 0)
            for token in range(1, batches + 1):
                place = await life.live(token, place)
            db.terminate()
        finally:
            await server.stop()
    print(f"| a row's | {' | '.join(FIGURES)} |\n|---|{'---|' * len(FIGURES)}")
    for stage, figures in life.stages.items():
        shown = " | ".join(f"{figures[figure] / batches / BATCH:,.2f}" for figure in FIGURES)
        print(f"| {stage} | {shown} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="a few rows")
    parser.add_argument(
        "--postgres", default="wheel", help="the server: wheel, system or a folder of binaries"
    )
    arguments = parser.parse_args()
    asyncio.run(main(arguments.postgres, 1 if arguments.check else 100))
