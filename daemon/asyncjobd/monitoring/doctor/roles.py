"""Checks what roles may do, by the server's word and by trying it as they would."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from asyncjobd.client import Client
from asyncjobd.job import NewJob, Status
from asyncjobd.monitoring.doctor.finding import Finding
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.schema.rights import Lack, lacking

JOB_NAME = "asyncjobd doctor"  # which no daemon serves
TOPIC = "permission_denied"
SOON = timedelta(seconds=30)  # a job that is due by then is announced
# A denial that is not about the schema's own objects: PostgreSQL's, or those that a trigger of the site uses.
DENIED = re.compile(r"permission denied for (schema|function|sequence|type) (\S+)")


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and what it lacks.

    `name`: as SQL writes it. `purpose`: daemon, producer, reader or operator; None: it has no rights. `giver`: the role
    that would give it a client's rights. `failure`: what it failed to do, and the error.
    """

    role: str
    name: str
    purpose: str | None
    giver: str | None
    is_own: bool
    is_there: bool
    lacks: list[Lack] = field(default_factory=list)
    failure: tuple[str, Exception] | None = None


class NothingDone(Exception):
    """A statement did nothing, without an error."""


async def ask(connection: Connection, database: Database) -> list[Role]:
    """Return the roles and the privileges that they lack, as the server has them. What clients' own roles may do is for
    the site to decide, so that only a daemon's are checked beside those of the schema."""
    found = []
    for row in await connection.fetch(*database.query("inspect/list_roles")):
        role = Role(**row)
        is_said = role.purpose is not None and role.is_there and (role.purpose == "daemon" or not role.is_own)
        lacks = await lacking(connection, database, str(role.purpose), role.role) if is_said else []
        found.append(replace(role, lacks=lacks))
    return found


async def attempt(role: Role, connection: Connection, database: Database) -> Role:
    """Try what the role is for, in a transaction that is undone, and return the role with its failure. No job starts,
    and nobody is notified; the ids that it takes from the sequence are gone."""
    if role.lacks or role.purpose is None or not role.is_there:
        return role
    if not role.is_own:
        try:
            await connection.execute(f"set local role {role.name}")
        except asyncpg.InsufficientPrivilegeError:
            return role  # then the server's word is all
    work = _work(role.purpose, connection, database)
    doing = ""
    try:
        while (step := await anext(work, None)) is not None:
            doing = step
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
        raise
    except asyncpg.ReadOnlySQLTransactionError:
        pass  # a finding about the server says so
    except (asyncpg.PostgresError, NothingDone) as error:
        return replace(role, failure=(doing, error))
    return role


async def _work(purpose: str, connection: Connection, database: Database) -> AsyncIterator[str]:
    """Do what a role of the purpose does; yield before each step what it is."""
    yield "read jobs"
    query = database.query("client/list_jobs", job_name=None, status=None, parent_id=None, limit=1)
    await connection.fetch(*query)
    if purpose == "reader":
        return
    if purpose == "operator":
        yield "pause an action"
        await connection.execute(database.sql("update asyncjob.action set paused_until = 'infinity'"))
        yield "pause a schedule"
        await connection.execute(database.sql("update asyncjob.schedule set paused_until = 'infinity'"))
        return
    client = Client(database)
    yield "insert a job"
    job_id = _done(await client.insert(NewJob(job_name=JOB_NAME), connection=connection))
    yield "insert a scheduled job"
    later = NewJob(job_name=JOB_NAME, schedule_time=datetime.now(UTC) + SOON)
    _done(await client.insert(later, connection=connection))
    yield "insert many jobs"
    _done(all(await client.insert_many([NewJob(job_name=JOB_NAME), later], connection=connection)))
    for status in (Status.HOLD, Status.QUEUED, Status.FAILED, Status.IN_PROGRESS):
        yield f"set the status of a job to {status}"
        query = database.query("client/set_job_status", job_id=job_id, status=status, only_from=list(Status))
        _done(await connection.fetch(*query))
    yield "delete a job"
    _done(await connection.fetch(database.sql("delete from asyncjob.job where id = $1 returning id"), job_id))


def _done(answer: Any) -> Any:
    """Return the answer. Raise NothingDone where it is empty."""
    if not answer:
        raise NothingDone("nothing was done, and no error raised")
    return answer


def roles(found: list[Role]) -> list[Finding]:
    """Return findings for what roles lack and cannot do."""
    told = [finding for role in found for finding in _findings(role)]
    names = ", ".join(role.name for role in found)
    return told or [Finding.ok("rights", f"what they are for may do: {names}") for _ in found[:1]]


def _findings(role: Role) -> list[Finding]:
    if not role.is_there:
        schema = role.name.removesuffix(f"_{role.purpose}")
        advice = (
            f"as a superuser: create role {role.name}; "
            f"then as the owner of the schema: select {schema}.grant_rights()"
        )
        return [Finding.warning("rights", f"there is no role {role.name}", advice, topic=TOPIC)]
    if role.purpose is None:
        advice = f"grant {role.giver} to {role.name}, if it enqueues; a daemon says at its start what its role needs"
        return [Finding.problem("rights", f"{role.name} has no rights on the jobs", advice, topic=TOPIC)]
    if role.failure is not None:
        doing, error = role.failure
        seen = f"{role.name} cannot {doing}: {error}"
        is_denied = isinstance(error, asyncpg.InsufficientPrivilegeError)
        topic = TOPIC if is_denied else "row_refused"
        return [Finding.problem("rights", seen, _remedy(role, error), topic=topic)]
    return [
        Finding.problem(
            "rights", f"{lack.role} has no {lack}, which a {lack.purpose} needs", lack.grant, topic=TOPIC
        )
        for lack in role.lacks
    ]


def _remedy(role: Role, error: Exception) -> str:
    if isinstance(error, NothingDone):
        return "see the policies, rules and triggers on the table of jobs"
    if not isinstance(error, asyncpg.InsufficientPrivilegeError):
        return "fix what raises it, a trigger or a constraint of the site"
    if role.giver is not None:
        return f"grant {role.giver} to {role.name}"
    if match := DENIED.search(str(error)):
        return f"grant {'execute' if match[1] == 'function' else 'usage'} on {match[1]} {match[2]} to {role.name}"
    return f"grant {role.name} what a trigger of the site needs, or let that run with its owner's rights"
