"""Cuts a plan down to the least that still goes wrong."""

from collections.abc import Awaitable, Callable, Iterator

from msgspec.structs import replace

from tests.simulation.plan import Plan

GoesWrong = Callable[[Plan], Awaitable[bool]]


async def shrink(plan: Plan, goes_wrong: GoesWrong, most: int) -> Plan:
    """Return the smallest plan that was found in `most` trials."""
    trials = 0
    has_shrunk = True
    while has_shrunk:
        has_shrunk = False
        for smaller in _smaller(plan):
            if trials == most:
                return plan
            trials += 1
            if await goes_wrong(smaller):
                plan, has_shrunk = smaller, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans that lack something, the smallest ones first."""
    yield from _without_strikes(plan)
    for number in range(len(plan.hosts) if len(plan.hosts) > 1 else 0):
        hosts = plan.hosts[:number] + plan.hosts[number + 1 :]
        strikes = [replace(strike, machine=strike.machine % len(hosts)) for strike in plan.strikes]
        yield replace(plan, hosts=hosts, strikes=strikes)
    if plan.producers > 1:
        yield replace(plan, producers=1)
    for feature in plan.features:
        yield replace(plan, features=[each for each in plan.features if each != feature])
    for kind in plan.kinds if len(plan.kinds) > 1 else ():
        yield replace(plan, kinds=[kind])
    if plan.seconds > 1:
        yield replace(plan, seconds=plan.seconds / 2)


def _without_strikes(plan: Plan) -> Iterator[Plan]:
    """Yield plans without some of the strikes: all, then ever smaller parts of them."""
    size = len(plan.strikes)
    while size:
        for start in range(0, len(plan.strikes), size):
            yield replace(plan, strikes=plan.strikes[:start] + plan.strikes[start + size :])
        size //= 2
