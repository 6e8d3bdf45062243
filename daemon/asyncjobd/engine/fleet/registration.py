"""Registers this daemon in the database: its own row, and one for each of its actions and schedules."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import msgspec
import structlog

from asyncjobd import __version__
from asyncjobd.actions.catalog import Action, ActionCatalog, served_names
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import Config
from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

log = structlog.get_logger("asyncjobd.registration")


class Registration:
    def __init__(self, session: Session, daemon_id: int) -> None:
        self._session = session
        self._daemon_id = daemon_id

    async def register(self, config: Config, process: ProcessIdentity, catalog: ActionCatalog) -> None:
        """Insert the daemon's row, and publish its actions and schedules.

        Raise ConfigError if PostgreSQL refuses a name, which the database's encoding may lack characters for.
        """
        with _refused_as("PostgreSQL does not take [daemon] name or the name of an action"):
            await self._session.run(
                "fleet/register_daemon", daemon_id=self._daemon_id, name=config.daemon_name, host=process.host,
                boot_id=process.boot, pid=process.pid, process_start=process.start, version=__version__,
                served_names=catalog.served_names, concurrency=config.daemon.concurrency,
                lease_seconds=config.daemon.lease.total_seconds(),
            )  # fmt: skip
        await self._publish(catalog.known)
        await self._publish_schedules(config)

    async def replace(self, config: Config, actions: dict[str, Action]) -> None:
        """Publish another configuration's actions and schedules. Raise ConfigError if PostgreSQL refuses a value."""
        await self._publish_schedules(config)
        await self._publish(actions)
        await self._session.run(
            "fleet/set_served_actions", daemon_id=self._daemon_id, served_names=served_names(actions)
        )

    async def unregister(self, patience: float) -> None:
        """Delete the daemon's row. Give up after `patience` seconds: other daemons delete it then."""
        with anyio.move_on_after(patience):
            await self._session.run("fleet/deregister_daemon", daemon_id=self._daemon_id)

    async def _publish(self, actions: dict[str, Action]) -> None:
        known = [actions[name] for name in sorted(actions)]
        schemas = [action.handler.params_schema for action in known]
        encoded = [None if schema is None else msgspec.json.encode(schema).decode() for schema in schemas]
        try:
            await self._publish_with(known, encoded)
        except Exception as error:
            if not is_refusal(error):
                raise
            await self._publish_without_schemas(known, error)

    async def _publish_without_schemas(self, known: list[Action], error: Exception) -> None:
        with _refused_as("[actions]: PostgreSQL does not take a value of an action"):
            await self._publish_with(known, [None] * len(known))
        log.warning(
            "actions.published",
            reason=describe(error),
            consequence="the schemas of their params are not shown",
        )

    async def _publish_with(self, known: list[Action], schemas: list[str | None]) -> None:
        await self._session.run(
            "fleet/publish_actions",
            names=[action.name for action in known],
            handlers=[action.handler.name for action in known],
            are_active=[action.config.is_active for action in known],
            retry_intervals=[action.config.retry_interval for action in known],
            retry_backoffs=[action.config.retry_backoff for action in known],
            retry_interval_maxima=[action.config.retry_interval_max for action in known],
            retry_jitters=[action.config.retry_jitter for action in known],
            max_execution_counts=[action.config.max_execution_count for action in known],
            are_recursive=[action.config.is_recursive for action in known],
            timeouts=[action.config.timeout for action in known],
            params_schemas=schemas,
            limits=[msgspec.json.encode(action.config.limits).decode() for action in known],
        )

    async def _publish_schedules(self, config: Config) -> None:
        """Write the schedules of the configuration, and pause those that it had before and has no more."""
        encoded = msgspec.json.encode([each.columns(name) for name, each in config.schedules.items()])
        with _refused_as("[schedules]: PostgreSQL does not take a value of a schedule"):
            (row,) = await self._session.run(
                "fleet/publish_schedules", daemon_name=config.daemon_name, schedules=encoded.decode()
            )
        if row["written"] or row["paused"]:
            log.info("schedules.published", written=row["written"], paused=row["paused"])


@contextmanager
def _refused_as(problem: str) -> Iterator[None]:
    """Raise ConfigError, which begins with `problem`, where PostgreSQL refuses a value."""
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        raise ConfigError(f"{problem}: {error}") from error
