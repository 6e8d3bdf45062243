"""Columns that a site adds to the tables change the meaning of no statement."""

import re

import pytest

from asyncjobd.postgres.statement import load_statement, query_names
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

QUERIES = query_names()
WHOLE_ROWS = {  # of one table: with all that it has
    "inspect/get_action",
    "client/get_job",
    "inspect/select_jobs",
    "client/find_keys",
    "client/list_jobs",
    "client/list_children",
    "client/list_needed_jobs",
    "testing/list_unfinished_jobs",
    "client/set_job_status",
}
TABLES = ("job", "execution", "daemon", "action", "schedule", "rollup", "migration")
OF_POSTGRES = {"ctid", "tableoid", "xmin", "cmin", "xmax", "cmax"}


async def test_column_that_a_site_adds_changes_no_statement(db: Connection) -> None:
    meant = {query: await meaning(db, query) for query in QUERIES}
    words = {
        word for query in QUERIES for word in re.findall(r"[a-z_]\w*", load_statement(query).sql)
    } - OF_POSTGRES
    added = ", ".join(f'add column if not exists "{word}" point' for word in sorted(words))
    for table in TABLES:
        await db.execute(f"alter table asyncjob.{table} {added}")
    for query in QUERIES:
        means = await meaning(db, query)
        assert query in WHOLE_ROWS or means == meant[query], query


async def meaning(db: Connection, query: str) -> str:
    """Return the statement as PostgreSQL stores it, with each name bound to what it stands for."""
    prepared = await db.prepare(load_statement(query).sql)
    parameters = ", ".join(parameter.name for parameter in prepared.get_parameters())
    async with db.transaction():
        await db.execute(
            f"create procedure meant({parameters}) begin atomic {load_statement(query).sql}; end"
        )
        body = await db.fetchval("select pg_get_function_sqlbody(oid) from pg_proc where proname = 'meant'")
        await db.execute("drop procedure meant")
    return str(body)
