"""The source of a dsn, read again when a connection fails, as the password may have been changed."""

from collections.abc import Callable
from typing import Any

from asyncjobd.config.errors import ConfigError
from asyncjobd.postgres.dsn import hide_password, normalize_dsn, target_database


class DsnSource:
    """The dsn of one database, shared by all connections to it, in any thread.

    Attributes:
        dsn: The present dsn, as a URI.
    """

    def __init__(self, dsn: str, read: Callable[[], str] | None = None) -> None:
        """Create the source. Raise ConfigError if the dsn is not valid.

        Args:
            dsn: The first dsn.
            read: Reads the dsn again, and raises ConfigError if that fails. Default: the dsn never changes.
        """
        self.dsn = normalize_dsn(dsn)
        self._read = read
        self._refused: str | None = None  # why the dsn that was read last was refused

    def renew(self) -> None:
        """Read the dsn again. One that is invalid or of another database is refused, and logged once."""
        if self._read is None:
            return
        try:
            dsn = normalize_dsn(self._read())
            if target_database(dsn) != target_database(self.dsn):
                raise ConfigError("[database] dsn: another host or database than before needs a restart")
        except ConfigError as error:
            if str(error) != self._refused:
                _log().error(
                    "dsn.refused", reason=str(error), consequence="the daemon continues with the present dsn"
                )
            self._refused = str(error)
            return
        self._refused = None
        if dsn != self.dsn:
            self.dsn = dsn
            _log().info("dsn.renewed", database=hide_password(dsn))


def _log() -> Any:
    """Return the logger. structlog takes 0.15 s to import, which commands that log nothing do not need."""
    import structlog

    return structlog.get_logger("asyncjobd.database")
