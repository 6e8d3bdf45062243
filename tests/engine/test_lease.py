from time import monotonic

from asyncjobd.engine.lease import Lease
from asyncjobd.engine.timings import Timings

TIMINGS = Timings(lease=30.0)


def test_lease_lasts_from_its_renewal_on() -> None:
    lease = Lease(TIMINGS)
    assert not lease.has_lasted(0)
    lease.renew(monotonic())
    assert lease.has_lasted(0)
    assert 0 < lease.seconds_left <= TIMINGS.fenced_after


def test_lease_that_has_ended_has_not_lasted() -> None:
    lease = Lease(TIMINGS)
    lease.renew(monotonic() - TIMINGS.fenced_after - 1)
    assert not lease.has_lasted(0)


def test_lease_that_was_renewed_too_late_has_lapsed() -> None:
    lease = Lease(TIMINGS)
    now = monotonic()
    lease.renew(now - 2 * TIMINGS.fenced_after)
    lease.renew(now)
    assert lease.lapses == 1
    assert not lease.has_lasted(0)
    assert lease.has_lasted(1)


def test_lease_whose_renewal_was_answered_too_late_has_lapsed() -> None:
    lease = Lease(TIMINGS)
    now = monotonic()
    lease.renew(now - TIMINGS.fenced_after - 1)
    lease.renew(now - TIMINGS.fenced_after / 2)
    assert lease.lapses == 1


def test_lease_that_was_renewed_in_time_has_not_lapsed() -> None:
    lease = Lease(TIMINGS)
    now = monotonic()
    lease.renew(now - TIMINGS.renewal_interval)
    lease.renew(now)
    assert lease.has_lasted(0)
