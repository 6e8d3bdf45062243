"""The faults. Each strikes, heals after a while, and returns whether it found something to strike."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from tests.faults.client import Client
from tests.faults.machine import LEASE, Machine
from tests.faults.proxy import Proxy
from tests.support.cluster import Cluster

SESSIONS = "select pid from pg_stat_activity where application_name like 'asyncjobd %' and backend_type = 'client backend'"


@dataclass
class Field:
    """The targets of the faults, and the random choice among them."""

    cluster: Cluster
    machines: list[Machine]
    client: Client
    random: random.Random
    servers: asyncio.Lock = field(default_factory=asyncio.Lock)
    replica: "asyncio.Task[None] | None" = None  # that is being made

    @asynccontextmanager
    async def machine(self) -> AsyncIterator[Machine | None]:
        """Return a machine that has no other fault now."""
        idle = [machine for machine in self.machines if not machine.is_busy]
        if not idle:
            yield None
            return
        machine = self.random.choice(idle)
        machine.is_busy = True
        life = machine.life
        yield machine
        if machine.life is life and life.end > monotonic():
            machine.is_busy = False

    def a_while(self) -> float:
        """Return a time shorter or longer than a lease, in seconds."""
        return self.random.uniform(0.2, 2) * LEASE


Strike = Callable[[Field], Awaitable[bool]]
STRIKES: list[Strike] = []


def strike(fault: Strike) -> Strike:
    STRIKES.append(fault)
    return fault


@strike
async def daemon_killed(field: Field) -> bool:
    async with field.machine() as machine:
        if machine is not None:
            machine.kill()
        return machine is not None


@strike
async def daemon_stopped_cleanly(field: Field) -> bool:
    async with field.machine() as machine:
        if machine is not None:
            machine.signal(signal.SIGTERM)
            await machine.ended()
        return machine is not None


@strike
async def daemon_frozen(field: Field) -> bool:
    async with field.machine() as machine:
        if machine is not None:
            machine.signal(signal.SIGSTOP)
            await asyncio.sleep(field.a_while())
            machine.signal(signal.SIGCONT)
        return machine is not None


@strike
async def loop_blocked(field: Field) -> bool:
    await field.client.insert(["blocks_loop"], seconds=field.a_while())
    return True


@strike
async def one_session_terminated(field: Field) -> bool:
    await field.client.run(
        lambda db: db.execute(
            f"select pg_terminate_backend(pid) from ({SESSIONS} order by random() limit 1) s"
        )
    )
    return True


@strike
async def all_sessions_terminated(field: Field) -> bool:
    await field.client.run(lambda db: db.execute(f"select pg_terminate_backend(pid) from ({SESSIONS}) s"))
    return True


@strike
async def connections_closed(field: Field) -> bool:
    return await _on_the_way(field, lambda proxy: proxy.cut())


@strike
async def connections_reset(field: Field) -> bool:
    return await _on_the_way(field, lambda proxy: proxy.reset())


@strike
async def connections_half_open(field: Field) -> bool:
    return await _on_the_way(field, lambda proxy: proxy.go_silent(), lasts=True)


@strike
async def connections_refused(field: Field) -> bool:
    def refuse(proxy: Proxy) -> None:
        proxy.refuses = True
        proxy.reset()

    return await _on_the_way(field, refuse, lasts=True)


@strike
async def connections_delayed(field: Field) -> bool:
    def delay(proxy: Proxy) -> None:
        proxy.delay = 0.1

    return await _on_the_way(field, delay, lasts=True)


async def _on_the_way(field: Field, act: Callable[[Proxy], None], *, lasts: bool = False) -> bool:
    async with field.machine() as machine:
        if machine is None:
            return False
        for proxy in machine.proxies:
            act(proxy)
        if lasts:
            await asyncio.sleep(field.a_while())
        for proxy in machine.proxies:
            proxy.heal()
        return True


@strike
async def clock_stepped(field: Field) -> bool:
    async with field.machine() as machine:
        if machine is not None:
            machine.step_clock()
        return machine is not None


@strike
async def clients_interfere(field: Field) -> bool:
    await field.client.interfere(10)
    return True


@strike
async def server_restarted_fast(field: Field) -> bool:
    async with field.servers:
        await field.cluster.restart(signal.SIGINT)
    return True


@strike
async def server_killed(field: Field) -> bool:
    async with field.servers:
        await field.cluster.restart(signal.SIGQUIT)
    return True


@strike
async def server_away(field: Field) -> bool:
    async with field.servers:
        await field.cluster.restart(signal.SIGINT, away=field.a_while())
    return True


@strike
async def replica_promoted(field: Field) -> bool:
    """Promote the replica; the next fault of the servers waits until there is a new one."""
    await field.servers.acquire()

    async def add_standby() -> None:
        await field.cluster.add_standby()
        field.servers.release()

    await field.cluster.fail_over()
    field.replica = asyncio.create_task(add_standby())
    return True
