"""The id of a job, as arguments and options take it."""

from typing import Any

import click

BITS_OF_ID = 63  # of PostgreSQL's bigint, besides the sign


class JobId(click.types.IntParamType):
    """The id of a job, which PostgreSQL has as a bigint."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the id. Fail for what is no number, or too large."""
        job_id = int(super().convert(value, param, ctx))
        if job_id.bit_length() > BITS_OF_ID:
            self.fail(f"{job_id} is too large for the id of a job", param, ctx)
        return job_id


JOB_ID = JobId()
