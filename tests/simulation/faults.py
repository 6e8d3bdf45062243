"""The faults of a world. Each strikes a machine, or what it talks to, and heals after a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.plan import Strike
    from tests.simulation.world import World

Fault: TypeAlias = "Callable[[World, Machine, Strike], Awaitable[None]]"
FAULTS: dict[str, Fault] = {}
FARTHEST_STEP = 120.0  # seconds by which the server's clock is set wrong
REWINDING = "server_rewound"


def fault(strike: Fault) -> Fault:
    FAULTS[strike.__name__] = strike
    return strike


@fault
async def daemon_killed(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.kill()


@fault
async def daemon_stopped(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.stop()


@fault
async def daemon_frozen(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.freeze()
    await asyncio.sleep(strike.lasts)
    machine.thaw()


@fault
async def loop_blocked(world: "World", machine: Machine, strike: "Strike") -> None:
    await world.prober.insert(["blocks_loop"], seconds=strike.lasts)


@fault
async def session_ended(world: "World", machine: Machine, strike: "Strike") -> None:
    if sessions := machine.route.sessions:
        sessions[int(strike.share * len(sessions))].end()


@fault
async def sessions_ended(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.route.cut()


@fault
async def replies_lost(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.route.losing += 1 + int(4 * strike.share)


@fault
async def cut_off(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.route.is_silent = True
    await asyncio.sleep(strike.lasts)
    machine.route.is_silent = False


@fault
async def refused(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.route.is_refused = True
    machine.route.cut()
    await asyncio.sleep(strike.lasts)
    machine.route.is_refused = False


@fault
async def slowed(world: "World", machine: Machine, strike: "Strike") -> None:
    machine.route.delay = 2 * strike.share**4
    await asyncio.sleep(strike.lasts)
    machine.route.delay = 0.0


@fault
async def notifications_lost(world: "World", machine: Machine, strike: "Strike") -> None:
    """Lose them together with the connection that they should have come along."""
    machine.route.loses_notifications = True
    await asyncio.sleep(strike.lasts)
    machine.route.loses_notifications = False
    machine.route.cut()


@fault
async def notifications_forged(world: "World", machine: Machine, strike: "Strike") -> None:
    for payload in ("ready", "ready quick", "open", "due 0", "stop", "due soon", ""):
        for each in world.machines:
            each.notify("asyncjob", payload)


@fault
async def statement_refused(world: "World", machine: Machine, strike: "Strike") -> None:
    """Refuse all statements for a while, as a server does that has become read-only."""
    machine.route.is_read_only = True
    await asyncio.sleep(strike.lasts)
    machine.route.is_read_only = False


@fault
async def server_restarted(world: "World", machine: Machine, strike: "Strike") -> None:
    await _restart(world, strike.lasts / 4)


@fault
async def server_rewound(world: "World", machine: Machine, strike: "Strike") -> None:
    """Fail over to a server that lacks the last transactions."""
    world.server.remember()
    await asyncio.sleep(strike.share**2 * 2)
    world.cut_clients()
    for each in world.machines:
        each.route.cut()
    world.server.rewind()
    await _restart(world, 0.5)


async def _restart(world: "World", seconds: float) -> None:
    world.cut_clients()
    for each in world.machines:
        each.route.is_refused = True
        each.route.cut()
    await asyncio.sleep(seconds)
    for each in world.machines:
        each.route.is_refused = False


@fault
async def server_clock_stepped(world: "World", machine: Machine, strike: "Strike") -> None:
    world.step_server(round(1e6 * FARTHEST_STEP * (2 * strike.share - 1)))


@fault
async def clients_interfere(world: "World", machine: Machine, strike: "Strike") -> None:
    await world.prober.interfere(5)
