"""What all can know of this daemon: its own row, and one of each action that it has."""

import anyio
import msgspec
import structlog

from asyncjobd import __version__
from asyncjobd.actions.catalog import Action, served_names
from asyncjobd.config.load import ConfigError, DaemonConfig, interval
from asyncjobd.engine.fleet.process_identity import ProcessIdentity
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.postgres.session import Session

log = structlog.get_logger("asyncjobd.registry")


class Registration:
    def __init__(self, session: Session, daemon_id: int) -> None:
        self._session = session
        self._daemon_id = daemon_id

    async def enroll(
        self, name: str, process: ProcessIdentity, settings: DaemonConfig, actions: dict[str, Action]
    ) -> None:
        """Raise ConfigError where PostgreSQL refuses a name, which its encoding may not have."""
        try:
            await self._session.run(
                "enroll", self._daemon_id, name, process.host, process.boot, process.pid, process.start, __version__,
                served_names(actions), settings.concurrency, settings.lease,
            )  # fmt: skip
        except Exception as error:
            if not is_refusal(error):
                raise
            raise ConfigError(
                f"PostgreSQL does not take [daemon] name or the name of an action: {error}"
            ) from error
        await self._publish(actions)

    async def serve(self, actions: dict[str, Action]) -> None:
        """Raises ConfigError where PostgreSQL refuses a value."""
        await self._publish(actions)
        await self._session.run("serve", self._daemon_id, served_names(actions))

    async def leave(self, patience: float) -> None:
        with anyio.move_on_after(patience):
            await self._session.run("leave", self._daemon_id)

    async def _publish(self, actions: dict[str, Action]) -> None:
        known = [actions[name] for name in sorted(actions)]
        schemas = [action.handler.params_schema for action in known]
        encoded = [None if schema is None else msgspec.json.encode(schema).decode() for schema in schemas]
        try:
            await self._publish_with(known, encoded)
        except Exception as error:
            if not is_refusal(error):
                raise
            await self._publish_less(known, error)

    async def _publish_less(self, known: list[Action], error: Exception) -> None:
        """Without the schemas, which jobs can do without."""
        try:
            await self._publish_with(known, [None] * len(known))
        except Exception as again:
            if not is_refusal(again):
                raise
            raise ConfigError(f"[actions]: PostgreSQL does not take a value of an action: {again}") from again
        log.warning(
            "actions.published",
            reason=describe(error),
            consequence="the schemas of their params are not shown",
        )

    async def _publish_with(self, known: list[Action], schemas: list[str | None]) -> None:
        await self._session.run(
            "publish",
            [action.name for action in known],
            [action.handler.name for action in known],
            [action.config.is_active for action in known],
            [interval(action.config.retry_interval) for action in known],
            [action.config.max_execution_count for action in known],
            [action.config.is_recursive for action in known],
            [interval(action.config.timeout) for action in known],
            schemas,
        )
