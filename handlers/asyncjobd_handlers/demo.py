"""The handlers of `asyncjobd demo`: one of each kind, all small."""

import asyncio
import hashlib
import zlib
from pathlib import Path

import msgspec

from asyncjobd import Context, JobHandler, JobResult, Status


class FileParams(msgspec.Struct):
    path: str


class FolderParams(msgspec.Struct):
    directory: str
    files: int


class GreetingParams(msgspec.Struct):
    to: str


def pack(params: FileParams, _context: Context) -> JobResult:
    """Return the digest of a file and its compressed size. A synchronous function runs in a thread."""
    content = Path(params.path).read_bytes()
    packed = len(zlib.compress(content, level=1))
    result = {"bytes": len(content), "packed": packed, "sha256": hashlib.sha256(content).hexdigest()}
    return JobResult.success(f"{len(content)} -> {packed} bytes", result)


class FollowFolder(JobHandler[FolderParams]):
    """Shows the progress of its children, one job for each file of a folder."""

    async def execute(self) -> JobResult:
        while True:
            counts = await self.client.count_children(self.job.id)
            done = counts.get(Status.COMPLETED, 0) + counts.get(Status.FAILED, 0)
            await self.progress(done / self.params.files, f"{done} of {self.params.files} files")
            if done == self.params.files:
                failed = counts.get(Status.FAILED, 0)
                return JobResult.success(f"{done} files, {failed} failed", {"files": done, "failed": failed})
            await asyncio.sleep(0.2)


async def greet(params: GreetingParams, _context: Context) -> JobResult:
    """Greet somebody."""
    return JobResult.success(f"hello, {params.to}")


async def fail_twice(_params: dict[str, object], context: Context) -> JobResult:
    """Fail in the first two executions, and succeed in the third."""
    if context.job.execution_count <= 2:
        raise ConnectionError(f"attempt {context.job.execution_count}: the other side is busy")
    return JobResult.success(f"attempt {context.job.execution_count} got through")


async def tick(_params: dict[str, object], context: Context) -> JobResult:
    """Run three times, and end the repetition."""
    total = context.job.execution_total
    return JobResult.completed("third tick, the last") if total == 3 else JobResult.success(f"tick {total}")
