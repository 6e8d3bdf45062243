"""Cursors: rows are read behind what was claimed, and from the start only as often as that is cheap."""

from typing import Any

import pytest

from asyncjobd.actions.catalog import Action
from asyncjobd.actions.handlers import LoadedHandler
from asyncjobd.config.model import ActionConfig
from asyncjobd.engine.jobs.cursors import START, Cursors
from asyncjobd.job import ClaimedJob
from asyncjobd.params import ParamsType


@pytest.fixture
def lanes() -> Cursors:
    async def run(_: object) -> None:
        """Never called."""

    return Cursors(
        [
            Action(name, ActionConfig(handler="m:a"), LoadedHandler("m:a", ParamsType(Any, "a"), run))
            for name in ("a", "b")
        ]
    )


def job(name: str, priority: int, job_id: int) -> ClaimedJob:
    return ClaimedJob(
        job_id,
        name,
        "{}",
        1,
        1,
        5,
        False,
        priority,
        None,
        None,
        None,
        None,
        "postgres",
        0,
        None,
        0.0,
        None,
        0.0,
    )


def places(lanes: Cursors, *, from_start: bool = False) -> list[tuple[int, int]]:
    arguments = lanes.arguments(lanes.read(100, (), from_start=from_start))
    return list(zip(arguments["after_priorities"], arguments["after_ids"], strict=True))


def widths(lanes: Cursors) -> list[int]:
    return list(lanes.read(100, (), from_start=False).widths)


def claimed(lanes: Cursors, jobs: list[ClaimedJob], *, is_full: bool) -> None:
    """Read all lanes, which give these jobs."""
    lanes.note_claim(lanes.read(100, (), from_start=False), jobs, is_full=is_full)


def test_each_lane_goes_on_behind_its_last_row(lanes: Cursors) -> None:
    claimed(lanes, [job("a", -1, 12), job("a", 0, 7), job("a", 0, 9)], is_full=True)
    assert places(lanes) == [(0, 9), START]
    assert places(lanes, from_start=True) == [START, START]


def test_full_read_from_the_start_is_where_the_next_goes_on(lanes: Cursors) -> None:
    claimed(lanes, [job("a", 5, 100)], is_full=True)
    claimed(lanes, [job("a", 0, 3)], is_full=True)
    assert places(lanes)[0] == (0, 3)


def test_single_row_in_front_does_not_take_the_lane_back(lanes: Cursors) -> None:
    claimed(lanes, [job("a", 5, 100)], is_full=True)
    claimed(lanes, [], is_full=False)
    claimed(lanes, [job("a", 0, 3)], is_full=False)
    assert places(lanes)[0] == (5, 100)


def test_lane_read_in_part_is_read_on_behind_its_last_row(lanes: Cursors) -> None:
    claimed(lanes, [job("a", 5, 100)], is_full=True)
    claimed(lanes, [job("a", 0, 3)], is_full=False)
    assert places(lanes)[0] == (0, 3)


def test_rows_given_back_are_read_again(lanes: Cursors) -> None:
    claimed(lanes, [job("a", 0, 7), job("a", 0, 8), job("a", 1, 3)], is_full=True)
    lanes.note_given_back([job("a", 0, 8), job("a", 1, 3)])
    assert places(lanes)[0] == (0, 7)


def test_lane_is_read_a_little_further_than_it_gave_while_there_is_more(lanes: Cursors) -> None:
    assert widths(lanes) == [100, 100]
    claimed(lanes, [job("a", 0, job_id) for job_id in range(40)], is_full=True)
    assert widths(lanes) == [63, 13]  # a lane that fills again is seen
    claimed(lanes, [], is_full=False)
    assert widths(lanes) == [100, 100]


def test_slow_reads_from_the_start_are_rationed_and_quick_ones_are_not(lanes: Cursors) -> None:
    lanes.note_read_from_start(0.001, 0, is_full=False)
    assert lanes.seconds_to_start == 0
    for _ in range(2):
        lanes.note_read_from_start(0.005, 500, is_full=False)  # its rows cost that
        assert lanes.seconds_to_start == 0
    lanes.note_read_from_start(0.001, 0, is_full=False)
    lanes.note_read_from_start(0.500, 0, is_full=False)  # by chance: the one before was quick
    assert lanes.seconds_to_start == 0
    lanes.note_read_from_start(0.400, 0, is_full=False)
    assert 15 < lanes.seconds_to_start < 20


def test_full_reads_from_the_start_are_rationed_to_prefer_the_cursor(lanes: Cursors) -> None:
    for _ in range(2):
        lanes.note_read_from_start(0.002, 500, is_full=True)
    assert 0.05 < lanes.seconds_to_start <= 0.1
