"""A handler that makes a part of its daemon hang."""

import asyncio
from collections.abc import Sequence

from asyncjobd import Context
from asyncjobd.engine.jobs.finished import FinishedExecution
from asyncjobd.engine.jobs.recorder import Recorder


async def hangs_the_recorder(params: object, context: Context) -> None:
    """Replace the recorder's write by one that never ends. Only a bug makes a part hang, so the test plants one."""

    async def never_ends(recorder: Recorder, batch: Sequence[FinishedExecution]) -> None:
        await asyncio.Event().wait()

    Recorder._write = never_ends  # type: ignore[method-assign, assignment]
