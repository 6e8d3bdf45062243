"""Says why a job that a command has just written waits."""

from asyncjobd.cli.environment import Environment
from asyncjobd.cli.streams import say
from asyncjobd.client import Client
from asyncjobd.monitoring.why.answer import why
from asyncjobd.monitoring.why.reason import Reason


async def reason_of(environment: Environment, client: Client, job_id: int) -> Reason:
    """Return why a job is as it is, with what the configuration knows."""
    return await why(client.pool.fetch, job_id, environment.configured_names, environment.config_path)


def warn(job_id: int, reason: Reason) -> None:
    """Say why a job waits, beside what the command prints."""
    say(f"Warning: job {job_id} waits: {reason.sentence}", err=True)
