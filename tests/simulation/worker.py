"""Runs worlds one after the other, each in a process of its own, which begins as all others do.

It is started by a lane, which gives it the virtual time and a server.
"""

import gc
import os
import sys
import tempfile
from pathlib import Path
from threading import Thread

import msgspec

from tests.simulation.clock import Clock
from tests.simulation.order import number_cancel_scopes
from tests.simulation.plan import Plan
from tests.simulation.world import Outcome, World


def run(plan: Plan, dsn: str, clock: Clock, story: Path | None) -> Outcome:
    """Run a world in a child of this process, and return its outcome."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # outside the main thread, uvloop does not set up its signals for every statement
        thread = Thread(target=_answer, args=(writing, plan, dsn, clock, story))
        thread.start()
        thread.join()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return Outcome(plan, ["its process ended without an answer"])
    return msgspec.json.decode(text, type=Outcome)


def _answer(writing: int, plan: Plan, dsn: str, clock: Clock, story: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(plan, dsn, clock, Path(folder))
        outcome = world.run()
        if story is not None:
            story.write_text("\n".join(world.story.lines) + "\n")
        os.write(writing, msgspec.json.encode(outcome))


def main() -> None:
    folder, dsn, *story = sys.argv[1:]
    clock = Clock(Path(folder))
    number_cancel_scopes()
    gc.freeze()  # none of the children collects what they share
    for line in sys.stdin:
        outcome = run(msgspec.json.decode(line, type=Plan), dsn, clock, Path(story[0]) if story else None)
        print(msgspec.json.encode(outcome).decode(), flush=True)


if __name__ == "__main__":
    main()
