"""Limits that are changed while jobs of several keys run, and what they promise.

At each claim no more rows are owned than the limits allow. So are executions, at any time no more than the last claim
among them allowed, but for those that have lost their claim and could not be ended: of a daemon that was frozen or
blocked, of a handler that a cancellation does not end, and of a row that was deleted. While the rate is the same and
the clock is not stepped, no interval has more claims than the rate brings in it, and a burst more. Where nothing is
wrong, and slots are free, a place that a limit leaves is taken soon.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from tests.faults.ledger import Execution, Ledger
from tests.simulation.feature import Feature, honest
from tests.simulation.server import Server
from tests.simulation.watch import Claim, claims_of

PACE = 3.0  # seconds from one act to the next, on average
LONGEST = 0.5  # seconds that a handler takes
LONG = {"outlasts"}  # of which many take too long one after the other
KEYS = [None, "a", "b", "c"]
TIGHT: dict[str, list[Any]] = {
    "max_running": [None, None, 0, 1, 2, 5],
    "max_running_per_key": [None, None, 1, 2],
    "max_running_per_daemon": [None, None, 0, 1, 3],
    "rate": [None, None, "3600 per hour", "2 per second", "5 per second"],
    "rate_per_key": [None, None, "60 per minute", "3 per second"],
    "burst": [None, 1, 3],
}
WIDE: dict[str, list[Any]] = {  # with which all jobs end in time
    "max_running": [None, 5, 20],
    "max_running_per_key": [None, 3, 10],
    "max_running_per_daemon": [None, 5, 10],
    "rate": [None, "300 per minute", "10 per second"],
    "rate_per_key": [None, "5 per second"],
    "burst": [None, 1, 5],
}
NONE: dict[str, list[Any]] = {column: [None] for column in TIGHT}
CHANGE = """
    update asyncjob.action set max_running = $2, max_running_per_key = $3, max_running_per_daemon = $4, rate = $5,
                               rate_per_key = $6, burst = $7
     where action.name = $1
"""
INSERT = """
    with new as (
        insert into asyncjob.job (job_name, params, limit_key, priority, max_execution_count, retry_interval)
        select $1, row.params::jsonb, row.key, row.priority, 1000, interval '500 ms'
          from unnest($2::text[], $3::text[], $4::integer[]) as row (params, key, priority)
        returning id, job_name
    )
    insert into ledger.job (id, kind, batch) select new.id, new.job_name, 0 from new
"""
# Jobs that may start by their limits for all daemons; another client's open transaction has locked none of them.
STARTABLE = """
    select job.job_name, (select max(claim.n) from ledger.claim where claim.job_name = job.job_name) as last_claim
      from asyncjob.action
      join asyncjob.limits on limits.name = action.name and not limits.saturated
      join asyncjob.job on job.job_name = action.name and job.status = 'In Progress' and job.daemon_id is null
     where action.name = any ($2) and action.max_running_per_daemon is null
       and (action.paused_until > now()) is not true and not exists (select from asyncjob.daemon where is_draining)
       and (job.limit_key is null or (asyncjob.key_room(action, job.limit_key, false)).room > 0)
       and ($1 or not exists (select from asyncjob.job as owned where owned.daemon_id is not null))
       for no key update of job skip locked
"""
EPSILON = 0.001  # starts


class Limits(Feature):
    name: ClassVar = "limits"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        kinds = [kind for kind in self._plan.kinds if kind not in LONG] or ["quick"]
        self._kinds = self._random.sample(kinds, min(len(kinds), self._random.choice([1, 2])))
        self.late = set(self._kinds)

    async def run(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch_starts(STARTABLE, self._kinds))
            end = asyncio.get_running_loop().time() + seconds
            while await self._next_act(end, PACE):
                (act,) = self._random.choices([self._insert, self._change_one], [3, 1])
                await act()
            watching.cancel()

    async def let_end(self) -> None:
        for kind in self._kinds:
            await self._change(kind, WIDE)

    async def let_start(self) -> None:
        for kind in self._kinds:
            await self._change(kind, NONE)

    async def _insert(self) -> None:
        kind, count = self._random.choice(self._kinds), self._random.choice([1, 2, 4, 12])
        params = [json.dumps({"seconds": self._random.random() ** 2 * LONGEST}) for _ in range(count)]
        keys = self._random.choices(KEYS, [1, 6, 2, 1], k=count)
        priorities = self._random.choices(range(3), k=count)
        await self._client.run(lambda db: db.execute(INSERT, kind, params, keys, priorities))

    async def _change_one(self) -> None:
        await self._change(self._random.choice(self._kinds), TIGHT)

    async def _change(self, kind: str, choices: dict[str, list[Any]]) -> None:
        limits = [self._random.choice(values) for values in choices.values()]
        await self._client.run(lambda db: db.execute(CHANGE, kind, *limits))

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterator[str]:
        claims = claims_of(server)
        yield from _too_many_claims(claims)
        yield from _too_fast(claims)
        yield from _too_many_executions(honest(ledger, stalled), claims)


def _too_many_claims(claims: list[Claim]) -> Iterator[str]:
    for claim in claims:
        if _exceeds(claim.running, claim.max_running) or _exceeds(claim.of_key, claim.max_running_per_key):
            yield (
                f"job {claim.job_id}: its claim made {claim.running} that run, and {claim.of_key} of its key;"
                f" the limits are {claim.max_running} and {claim.max_running_per_key}"
            )


def _too_fast(claims: list[Claim]) -> Iterator[str]:
    """Yield claims at which more had started, in some interval up to them, than a rate allows."""
    debts: dict[
        tuple[Any, ...], tuple[float, float]
    ] = {}  # starts that the rate has not brought yet, and when
    for claim in claims:
        for key, seconds in ("", claim.seconds_per_start), (claim.limit_key, claim.seconds_per_start_per_key):
            if key is None or seconds is None:
                continue
            at = claim.at.timestamp()
            debt, before = debts.get((claim.job_name, key, claim.phase), (0.0, at))
            debt = max(0.0, debt - (at - before) / seconds) + 1
            debts[claim.job_name, key, claim.phase] = debt, at
            if debt > (claim.burst or max(1, int(1 / seconds))) + EPSILON:
                yield f"job {claim.job_id} of key {key!r} came {debt:.2f} starts after a full bucket of {claim.burst}"


def _too_many_executions(executions: list[Execution], claims: list[Claim]) -> Iterator[str]:
    """Yield executions at whose start more ran than the last claim among them allowed."""
    limits = {(claim.job_id, claim.claim_token): claim for claim in claims}
    groups: dict[tuple[str, Callable[[Claim], int | None], Any], list[Execution]] = defaultdict(list)
    for each in executions:
        if (claim := limits.get((each.job, each.lease))) is not None:
            groups[claim.job_name, _of_all, ""].append(each)
            groups[claim.job_name, _of_daemon, each.life].append(each)
            if claim.limit_key is not None:
                groups[claim.job_name, _of_key, claim.limit_key].append(each)
    for (_, limit_of, whose), members in groups.items():
        for one in members:
            running = [each for each in members if each.start <= one.start < each.end]
            last = max(
                (limits[each.job, each.lease] for each in running), key=lambda claim: claim.n, default=None
            )
            if last is not None and _exceeds(len(running), limit_of(last)):
                yield f"job {one.job} began as one of {len(running)} that ran {whose}, the limit is {limit_of(last)}"


def _of_all(claim: Claim) -> int | None:
    return claim.max_running


def _of_key(claim: Claim) -> int | None:
    return claim.max_running_per_key


def _of_daemon(claim: Claim) -> int | None:
    return claim.max_running_per_daemon


def _exceeds(count: int, limit: int | None) -> bool:
    return limit is not None and count > limit
