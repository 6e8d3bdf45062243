"""Where a dsn comes from: it is read anew where it did not get us in, as a password may be another one by now."""

from collections.abc import Callable
from typing import Any

from asyncjobd.config.load import ConfigError
from asyncjobd.postgres.dsn import checked, place, without_password


class Source:
    """Shared by all that connect to one database, in any thread. `read` raises ConfigError; None: it stays as it is."""

    def __init__(self, dsn: str, read: Callable[[], str] | None = None) -> None:
        self.dsn = checked(dsn)
        self._read = read
        self._refused: str | None = None  # why the last one that was read was not taken

    def renew(self) -> None:
        """Reads it. One that is wrong, or of another database, changes nothing, and is told once."""
        if self._read is None:
            return
        try:
            dsn = checked(self._read())
            if place(dsn) != place(self.dsn):
                raise ConfigError("[database] dsn: another host or database than before needs a restart")
        except ConfigError as error:
            if str(error) != self._refused:
                _log().error(
                    "dsn.refused", reason=str(error), consequence="the daemon goes on with the one it has"
                )
            self._refused = str(error)
            return
        self._refused = None
        if dsn != self.dsn:
            self.dsn = dsn
            _log().info("dsn.renewed", database=without_password(dsn))


def _log() -> Any:
    """Return the logger. structlog takes 0.15 s to import, which commands that log nothing do not need."""
    import structlog

    return structlog.get_logger("asyncjobd.database")
