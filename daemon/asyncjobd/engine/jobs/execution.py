"""One run of a handler, within the transaction that it may have asked for."""

import asyncio
from time import monotonic

import asyncpg
import msgspec

from asyncjobd import forks
from asyncjobd.actions.catalog import Action
from asyncjobd.actions.handler_results import COMMITTING_OUTCOMES, as_result, encode_result, failure_from
from asyncjobd.config.sizes import parse_size
from asyncjobd.context import Context
from asyncjobd.engine.jobs.finished import STOPPED, FinishedExecution, record_arguments, size_of
from asyncjobd.engine.jobs.transitions import next_transition
from asyncjobd.job import current_job
from asyncjobd.observability.logging.kept_log import KeptLog, current_log
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import JobResult, Outcome, timed_out

MAX_LOCK_WAIT = 60.0  # seconds for which a client's transaction on the row may hold up the end of its job


class ClaimLost(Exception):
    """Raised when the row is gone or has another owner: nothing of this execution may be written."""


class OwnRowWritten(Exception):
    """Raised when a handler has written the status of its own row in its transaction, which is undone."""


class Execution:
    """An execution of a claimed job, run by `task`."""

    __slots__ = ("_is_committing", "_log", "action", "began_at", "context", "deadline", "task")

    def __init__(self, context: Context, action: Action, task: "asyncio.Task[None]") -> None:
        self.context = context
        self.action = action
        self.task = task
        self._is_committing = False
        keep_log = action.config.keep_log
        self._log = None if keep_log is None else KeptLog(context.job, parse_size(keep_log))
        self.began_at = monotonic()
        self.deadline = None if context.job.timeout is None else self.began_at + context.job.timeout

    def cancel(self, outcome: Outcome) -> None:
        """Cancel the handler, for this outcome. It may be called again for one that has swallowed the first."""
        self.context.stop_reason = self.context.stop_reason or outcome
        if not self._is_committing:  # nobody knows how a cancelled commit has ended
            self.task.cancel()

    async def perform(self) -> FinishedExecution:
        """Run the handler, and return how its job goes on, whatever the handler does."""
        token = current_job.set(self.context.job)
        log_token = None if self._log is None else current_log.set(self._log)
        encoded = row = None
        undone: BaseException | None = None
        try:
            try:
                result = as_result(await self.action.handler.run(self.context))
            finally:
                if forks.is_child:
                    forks.exit_if_child()
            encoded = encode_result(result)
            if (
                transaction := self.context.open_transaction
            ) is not None and result.outcome in COMMITTING_OUTCOMES:
                row = await self._commit(transaction, self._finish(result, encoded))
        except BaseException as error:  # SystemExit too: a handler ends its own job, never the daemon
            result, encoded = self._result_of(error), None
            undone = error
        self.context.close()
        if self.context.transaction_used is not None:
            await self.context.roll_back(undone)
        undone = None  # its traceback holds this frame: each would keep the other
        if self.context.stop_reason is Outcome.TIMEOUT and row is None:
            result = timed_out(self.context.job.timeout)
            encoded = None
        current_job.reset(token)
        if log_token is not None:
            current_log.reset(log_token)
        return self._finish(result, encoded, row)

    async def _commit(self, transaction: Transaction, finished: FinishedExecution) -> asyncpg.Record:
        """Commit the handler's writes together with the completion of its job. Return the recorded row.

        Raise ClaimLost, OwnRowWritten, or CancelledError if a client has stopped the job.
        """
        await transaction.run("jobs/lock_job", job_id=finished.job.id, patience=MAX_LOCK_WAIT)
        rows = await transaction.run("jobs/record_outcomes", **record_arguments([finished]))
        if not rows:
            raise ClaimLost("the row is gone or has another owner")
        if rows[0]["is_stopped"]:
            committed = await self.context.client.get(finished.job.id)
            if committed is not None and not committed.is_stopping:
                raise OwnRowWritten("the handler wrote the status of its own row: return a JobResult instead")
            self.context.stop_reason = self.context.stop_reason or Outcome.STOPPED
            raise asyncio.CancelledError
        self._is_committing = True
        await transaction.commit()
        return rows[0]

    def _result_of(self, error: BaseException) -> JobResult:
        if self.context.stop_reason is Outcome.STOPPED:
            return STOPPED
        return failure_from(error, self.action.exceptions)

    def _finish(
        self, result: JobResult, encoded: str | None, row: asyncpg.Record | None = None
    ) -> FinishedExecution:
        job = self.context.job
        transition = next_transition(
            result.outcome,
            is_recursive=job.is_recursive,
            is_last=job.execution_count >= job.max_execution_count,
            after=result.after,
        )
        if encoded is not None:  # it replaces the value, which may be as large
            result = msgspec.structs.replace(result, result=None)
        now = monotonic()
        duration = now - self.began_at
        reported = self.context.last_progress
        log = None if self._log is None else str(self._log) or None
        size = size_of(result, encoded, reported, log)
        if job.size:  # nothing of the params is needed any more
            job = msgspec.structs.replace(job, params="")
        return FinishedExecution(
            job, self.context.claim_token, result, encoded, transition, now, duration, size, row, reported, log,
        )  # fmt: skip
