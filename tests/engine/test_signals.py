"""Signals: whom a row that has come into being, or has changed, wakes."""

from math import inf

from asyncjobd.engine.signals import Signals


def test_queued_row_wakes_the_timer() -> None:
    signals = Signals()
    signals.row_due.epoch = 9.0
    signals.made_queued(5.0)
    signals.announcements.add_queued(5.0)
    assert signals.row_due.epoch == 5.0
    assert not signals.jobs_ended.is_set
    assert signals.announcements.take() == {"due 5.000000"}


def test_queued_row_that_waits_for_other_jobs_wakes_the_resolver() -> None:
    signals = Signals()
    signals.row_due.epoch = None
    signals.made_queued(inf)
    signals.announcements.add_queued(inf)
    assert signals.row_due.epoch is None
    assert signals.jobs_ended.is_set
    assert signals.announcements.take() == {"waits"}
