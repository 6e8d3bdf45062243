"""The plan of a world: all that its seed decides before it begins. It can be cut down, and runs the same each time."""

import random

import msgspec

LEASES = [1.5, 3.0, 6.0]  # seconds
LATENCIES = [0.0003, 0.003, 0.03]  # seconds
SHARE_OF_CALM = 0.3  # of the worlds have no faults
SHARES = {
    "waiting": 0.4,
    "limits": 0.4,
    "pauses": 0.25,
    "schedules": 0.3,
    "keys": 0.3,
    "retries": 0.3,
    "pruning": 0.3,
    "refusals": 0.2,
}  # of the worlds have a feature; "waiting": some jobs wait for others


class Host(msgspec.Struct, frozen=True):
    """A machine with a daemon."""

    concurrency: int
    lease: float  # seconds


class Strike(msgspec.Struct, frozen=True):
    """A fault that strikes a machine."""

    at: float  # seconds after the start
    fault: str
    machine: int
    lasts: float  # seconds, where the fault heals
    share: float  # a number from 0 to 1, for what else is to be chosen


class Plan(msgspec.Struct, frozen=True):
    seed: int
    seconds: float  # for which jobs are inserted and faults strike
    hosts: list[Host]
    strikes: list[Strike]
    producers: int
    rate: float  # transactions a second, of each producer
    kinds: list[str]  # of jobs
    longest: float  # seconds that a handler takes
    latency: float  # seconds of one way, on average
    is_calm: bool  # nothing goes wrong
    features: list[str] = []

    @property
    def slots(self) -> int:
        """How many jobs all daemons together run at a time."""
        return sum(host.concurrency for host in self.hosts)

    @classmethod
    def of(cls, seed: int, seconds: float, kinds: list[str], faults: list[str]) -> "Plan":
        """Return what the seed decides, with the kinds of jobs and the faults that there are."""
        choose = random.Random(f"{seed} plan")
        lease = choose.choice(LEASES)
        hosts = [Host(choose.choice([1, 2, 5, 20]), lease) for _ in range(choose.choice([1, 2, 2, 3]))]
        some = choose.sample(kinds, choose.randint(1, len(kinds)))
        is_calm = choose.random() < SHARE_OF_CALM
        pause = choose.choice([1.0, 3.0, 8.0])
        often = choose.sample(faults, choose.randint(1, len(faults)))
        strikes = [] if is_calm else _strikes(choose, often, seconds, pause, len(hosts), lease)
        return cls(
            seed, seconds, hosts, strikes, choose.choice([1, 1, 3]), choose.choice([0.1, 0.3, 1.0]), some,
            1.0 if is_calm else choose.choice([1.0, lease, 2 * lease]), choose.choice(LATENCIES),
            is_calm, [name for name, share in SHARES.items() if random.Random(f"{seed} {name}").random() < share],
        )  # fmt: skip


def _strikes(
    choose: random.Random, faults: list[str], seconds: float, pause: float, machines: int, lease: float
) -> list[Strike]:
    found = []
    at = choose.expovariate(1 / pause)
    while at < seconds:
        lasts = lease * (choose.uniform(0.02, 0.7) if choose.random() < 0.4 else choose.uniform(1.2, 3))
        found.append(Strike(at, choose.choice(faults), choose.randrange(machines), lasts, choose.random()))
        at += choose.expovariate(1 / pause)
    return found
