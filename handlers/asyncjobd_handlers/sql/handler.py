"""The handler that runs a statement for each job."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
import msgspec

from asyncjobd import JobHandler, JobResult
from asyncjobd.config.errors import ConfigError
from asyncjobd.postgres.dsn import connect_arguments, normalize_dsn
from asyncjobd_handlers.secret import SecretError, reveal
from asyncjobd_handlers.sql.options import DSN, SqlOptions
from asyncjobd_handlers.sql.statement import bind, misfit

POOL_SIZE = 4  # connections to another database
SLACK = 1.0  # seconds after the job's timeout until the server itself cancels the statement
LONGEST_TIMEOUT = 2**31 - 1  # milliseconds

# SQLSTATEs that another try would meet again: a wrong statement, missing objects or rights, params of a wrong
# type. Constraints are not among them: a client may add the row that is missing, or delete the one in the way.
FATAL = ("0A", "25001", "3F", "42", "22007", "22008", "22P02")


class Sql(JobHandler[dict[str, msgspec.Raw]]):
    """Runs the SQL statement of its action, with the job's params bound."""

    Options = SqlOptions
    options: SqlOptions

    async def execute(self) -> JobResult:
        text, names = bind(self.options.statement)
        if problem := misfit(names, self.params):
            return JobResult.fatal_error(problem)
        arguments = (self.job.params,) if names else ()
        try:
            if self.options.dsn:
                return await self._run_elsewhere(text, arguments)
            async with self.transaction() as connection:
                return await self._run(connection, text, arguments)
        except asyncpg.PostgresError as error:
            return _refused(error)
        except (ValueError, OverflowError) as error:
            return JobResult.fatal_error(
                f"Python cannot hold a value of the rows, return it as text: {error}"
            )

    async def _run_elsewhere(self, text: str, arguments: tuple[str, ...]) -> JobResult:
        async with AsyncExitStack() as stack:
            try:
                pool = await _pool(reveal(self.options.dsn))
                connection = await stack.enter_async_context(pool.acquire())
            except (SecretError, ConfigError) as error:
                return JobResult.failed(f"the option dsn: {str(error).removeprefix('[database] dsn: ')}")
            except ValueError:  # asyncpg refuses the dsn with a text that may show a password
                return JobResult.failed(f"the option dsn: expected {DSN}")
            return await self._run(connection, text, arguments)

    async def _run(self, connection: Any, text: str, arguments: tuple[str, ...]) -> JobResult:
        await self._set_timeout(connection, self.job.timeout)
        statement = await connection.prepare(text, name="")
        rows = await statement.fetch(*arguments)
        await self._set_timeout(connection, None)
        number = (statement.get_statusmsg() or "").rpartition(" ")[2]
        count = int(number) if number.isdecimal() else len(rows)
        if not self.options.rows:
            return JobResult.success(_counted(count), count)
        columns = statement.get_attributes()
        json_columns = {column.name for column in columns if column.type.name in {"json", "jsonb"}}
        kept = [_plain(row, json_columns) for row in rows[: self.options.rows]]
        more = f", of which the first {len(kept)} are kept" if len(kept) < len(rows) else ""
        return JobResult.success(_counted(count) + more, kept)

    async def _set_timeout(self, connection: Any, seconds: float | None) -> None:
        """Set statement_timeout, in the transaction or else in the session; None resets it."""
        if self.job.timeout is None:
            return
        limit = "default" if seconds is None else str(min(int((seconds + SLACK) * 1000), LONGEST_TIMEOUT))
        scope = "" if self.options.dsn else "local "
        await connection.execute(f"set {scope}statement_timeout to {limit}")


def _refused(error: asyncpg.PostgresError) -> JobResult:
    state = error.sqlstate or ""
    message = f"{error} (SQLSTATE {state})"
    return JobResult.fatal_error(message) if state.startswith(FATAL) else JobResult.failed(message)


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _plain(row: asyncpg.Record, json_columns: set[str]) -> dict[str, Any]:
    """Return a row as values that JSON has; JSON stays as it is."""
    return {
        name: msgspec.Raw(value.encode()) if name in json_columns and value is not None
        else msgspec.to_builtins(value, enc_hook=str)
        for name, value in row.items()
    }  # fmt: skip


_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncpg.Pool[asyncpg.Record]]]" = (
    WeakKeyDictionary()
)


async def _pool(dsn: str) -> "asyncpg.Pool[asyncpg.Record]":
    """Return the pool of a database. It connects on demand, and closes connections that are idle for long."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if dsn not in pools:
        arguments = connect_arguments(normalize_dsn(dsn))._asdict()
        pools[dsn] = asyncpg.create_pool(**arguments, min_size=0, max_size=POOL_SIZE)
    return await pools[dsn]
