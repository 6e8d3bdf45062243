"""Runs a statement of the configuration; the job's params are bound to it, and never become a part of it.

    [actions.CloseAccount]
    handler = "asyncjobd_handlers.sql:Sql"
    options = { statement = "select close_account({account}::int, {reason})" }

`{account}` is what `params ->> 'account'` is in PostgreSQL: text, so it has a cast where something else is wanted;
lists and objects are the text of their JSON (`{items}::jsonb`), null is null.
"""

import asyncio
import re
from functools import cache
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import asyncpg
import msgspec

from asyncjobd import JobHandler, JobResult
from asyncjobd.config.load import ConfigError
from asyncjobd.postgres.dsn import connect_arguments, normalize_dsn
from asyncjobd_handlers.secret import SecretError, reveal

DSN = "postgresql://user:password@host:port/database"
POOL_SIZE = 4  # connections to another database
SLACK = 1.0  # seconds after the job's timeout, for a server that its cancellation does not reach
LONGEST_TIMEOUT = 2**31 - 1  # milliseconds

# What is wrong for good: the statement, what it names and may do, and params that are not of the type they are cast to.
# All else may be better the next time, constraints too: the row that is missing, or in the way, is a client's.
# A login that is refused may have another password the next time.
FATAL = ("0A", "25001", "3F", "42", "22007", "22008", "22P02")

_LEXEME = re.compile(
    r"""
    \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | --[^\n]* | /\*.*?\*/
    | \{(?P<name>[^\W\d]\w*)\} | (?P<wrong>[{}] | \$\d+ | ;\s*\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_WRONG = {
    "{": "a param is written as {name}",
    "}": "a param is written as {name}",
    "$": "a param is written as {name}",
    ";": "expected one statement",
}
_ENDS_TRANSACTION = re.compile(
    r"""
    (?: \s | --[^\n]* | /\*.*?\*/ )*
    (?P<command> abort | begin | commit | end | prepare\s+transaction | release | rollback | savepoint | start )\b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


class SqlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`dsn`: empty, the statement is part of the job's own transaction, and so happens exactly once. Else it runs by
    itself on another database, once or more often; ${NAME} in it is a secret (secret.py). `rows` is how many of its
    rows are kept in the job's result; 0: only their number is."""

    statement: str
    dsn: str = ""
    rows: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        bind(self.statement)
        if self.dsn and not self.dsn.startswith(("postgresql://", "postgres://", "${")):
            raise ValueError(f"dsn: expected {DSN}, or ${{NAME}}, which says where it is")


class Sql(JobHandler[dict[str, msgspec.Raw]]):
    """Runs the SQL statement of its action, with the job's params bound."""

    Options = SqlOptions

    async def execute(self) -> JobResult:
        text, names = bind(self.options.statement)
        if problem := _misfit(names, self.params):
            return JobResult.fatal_error(problem)
        arguments = (self.job.params,) if names else ()
        try:
            if self.options.dsn:
                return await self._run_elsewhere(text, arguments)
            async with self.transaction() as connection:
                return await self._run(connection, text, arguments)
        except asyncpg.PostgresError as error:
            return _refused(error)

    async def _run_elsewhere(self, text: str, arguments: tuple[str, ...]) -> JobResult:
        try:
            pool = await _pool(reveal(self.options.dsn))
            async with pool.acquire() as connection:
                return await self._run(connection, text, arguments)
        except (SecretError, ConfigError) as error:
            return JobResult.failed(f"the option dsn: {str(error).removeprefix('[database] dsn: ')}")
        except ValueError:  # of a dsn; its text is in no message, as a part of it may be a password
            return JobResult.failed(f"the option dsn: expected {DSN}")

    async def _run(self, connection: Any, text: str, arguments: tuple[str, ...]) -> JobResult:
        await self._limit(connection, self.job.timeout)
        statement = await connection.prepare(text, name="")
        rows = await statement.fetch(*arguments)
        await self._limit(connection, None)
        number = statement.get_statusmsg().rpartition(" ")[2]
        count = int(number) if number.isdecimal() else len(rows)
        if not self.options.rows:
            return JobResult.success(_counted(count), count)
        json_columns = {
            column.name for column in statement.get_attributes() if column.type.name in {"json", "jsonb"}
        }
        kept = [_plain(row, json_columns) for row in rows[: self.options.rows]]
        more = f", of which the first {len(kept)} are kept" if len(kept) < len(rows) else ""
        return JobResult.success(_counted(count) + more, kept)

    async def _limit(self, connection: Any, seconds: float | None) -> None:
        """Of what comes next in the transaction, or in the session where there is none."""
        if self.job.timeout is not None:
            limit = "default" if seconds is None else str(min(int((seconds + SLACK) * 1000), LONGEST_TIMEOUT))
            await connection.execute(
                f"set {'' if self.options.dsn else 'local '}statement_timeout to {limit}"
            )


@cache
def bind(statement: str) -> tuple[str, frozenset[str]]:
    """The statement with each {name} as an expression of $1, the job's params; and the names. Raises ValueError."""
    names: set[str] = set()

    def bound(lexeme: re.Match[str]) -> str:
        if lexeme["wrong"]:
            raise ValueError(f"statement: {lexeme['wrong']!r}: {_WRONG[lexeme['wrong'][0]]}")
        if not lexeme["name"]:
            return lexeme[0]
        names.add(lexeme["name"])
        return f"($1::jsonb ->> '{lexeme['name']}')"

    if not statement.strip():
        raise ValueError("statement: expected one statement of SQL, got an empty text")
    if match := _ENDS_TRANSACTION.match(statement):
        raise ValueError(
            f"statement: {match['command']!r} would end the transaction of the job, which ends by itself"
        )
    return _LEXEME.sub(bound, statement), frozenset(names)


def _misfit(names: frozenset[str], params: dict[str, Any]) -> str | None:
    missing, unknown = sorted(names - params.keys()), sorted(params.keys() - names)
    if missing:
        return f"params do not fit the statement: {', '.join(missing)} missing"
    if unknown:
        takes = f"it takes {', '.join(sorted(names))}" if names else "it takes none"
        return f"params do not fit the statement: unknown {', '.join(unknown)[:200]}; {takes}"
    return None


def _refused(error: asyncpg.PostgresError) -> JobResult:
    state = error.sqlstate or ""
    message = f"{error} (SQLSTATE {state})"
    return JobResult.fatal_error(message) if state.startswith(FATAL) else JobResult.failed(message)


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _plain(row: asyncpg.Record, json_columns: set[str]) -> dict[str, Any]:
    return {
        name: msgspec.Raw(value.encode()) if name in json_columns and value is not None
        else msgspec.to_builtins(value, enc_hook=str)
        for name, value in row.items()
    }  # fmt: skip


_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncpg.Pool[asyncpg.Record]]]" = (
    WeakKeyDictionary()
)


async def _pool(dsn: str) -> "asyncpg.Pool[asyncpg.Record]":
    """One a database. It connects when it must, and lets go of connections that nobody uses."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if dsn not in pools:
        pools[dsn] = asyncpg.create_pool(
            **connect_arguments(normalize_dsn(dsn))._asdict(), min_size=0, max_size=POOL_SIZE
        )
    return await pools[dsn]
