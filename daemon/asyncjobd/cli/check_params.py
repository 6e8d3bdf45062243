"""Checks the params of a job before it is inserted."""

import msgspec

from asyncjobd.cli.failures import EXIT_USAGE, Failure
from asyncjobd.client import Client
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import Config
from asyncjobd.job import NewJob
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.violations import violations
from asyncjobd.params import ParamsError, ParamsType


async def check_params(config: Config, client: Client, job: NewJob) -> None:
    """Check by the handler, where the configuration has it and it can be imported here, else by the JSON Schema that
    daemons have published. Anything fits where there is neither. Raise Failure for params that do not fit."""
    params = _local(config, job.job_name)
    problem = await _by_schema(client, job) if params is None else _by_handler(params, job)
    if problem is not None:
        raise Failure(f"nothing was inserted: {problem}; --no-check inserts it all the same", EXIT_USAGE)


def _local(config: Config, name: str) -> ParamsType | None:
    if name not in config.actions:
        return None
    # takes 0.2 s, which jobs of other programs' actions need not wait
    from asyncjobd.actions.catalog import load_action

    try:
        return load_action(config, name).handler.params
    except ConfigError:
        return None


def _by_handler(params: ParamsType, job: NewJob) -> str | None:
    try:
        params.check(msgspec.json.encode(job.params).decode())
    except ParamsError as error:
        return str(error)
    return None


async def _by_schema(client: Client, job: NewJob) -> str | None:
    rows = await client.pool.fetch("inspect/get_action", name=job.job_name)
    if not rows or rows[0]["params_schema"] is None:
        return None
    found = violations(Document(msgspec.json.decode(rows[0]["params_schema"])), job.params)
    return f"params do not fit {job.job_name}: {'; '.join(found)}" if found else None
