"""Sessions of browsers that came by a link: a cookie that is signed, so that nobody else can make one."""

import hashlib
import os
import secrets
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

from asyncjobd.config.errors import ConfigError

LIFE_SECONDS = 12 * 60 * 60
KEY_BYTES = 32


class Sessions:
    """Makes the cookies of sessions, and checks them.

    Attributes:
        cookie: The name of the cookie. A browser sends it to all ports of a host: it differs by key, so that two pages
            on one host do not end each other's sessions.
    """

    def __init__(self, key: bytes) -> None:
        self.cookie = f"asyncjobd-{hashlib.sha256(key).hexdigest()[:8]}"
        self._signer = URLSafeTimedSerializer(
            key, salt="asyncjobd.web.session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def sign(self, uid: int) -> str:
        """Return the cookie of a new session of this user."""
        return self._signer.dumps(uid)

    def uid_of(self, cookie: str | None) -> int | None:
        """Return whose session a cookie is; None where it is over, or never was one."""
        if not cookie:
            return None
        try:
            uid = self._signer.loads(cookie, max_age=LIFE_SECONDS)
        except BadData:
            return None
        return uid if isinstance(uid, int) else None


def session_key() -> bytes:
    """Return the key of the state directory, which is made if need be; without one, a key of this process alone.

    Raise ConfigError where it cannot be used.
    """
    folder = os.environ.get("STATE_DIRECTORY")
    if not folder:
        return secrets.token_bytes(KEY_BYTES)
    path = Path(folder.split(":")[0]) / "key"
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)
    except OSError as error:
        raise ConfigError(f"{path}: the key of sessions cannot be read: {error.strerror}") from error


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{path}: expected {KEY_BYTES} bytes, found {len(key)}: delete it, and a new one is made"
        )
    return key


def _make(path: Path) -> None:
    """Write a new key to the path at once, unless another process is faster."""
    new = path.with_name(f"key.{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        path.hardlink_to(new)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"{path}: the key of sessions cannot be written: {error.strerror}") from error
    finally:
        new.unlink(missing_ok=True)
