"""Links that open the page once: whoever asks for one over the socket carries the session to a browser."""

import secrets
from time import monotonic

LIFE_SECONDS = 60.0
MOST_PENDING = 100  # further ones replace the oldest


class Links:
    """The links that nobody has opened yet, by their tokens. They end with the process."""

    def __init__(self) -> None:
        self._pending: dict[
            str, tuple[int, float]
        ] = {}  # uid, and when it ends (monotonic); the oldest first

    def new(self, uid: int) -> str:
        """Return the token of a new link for this user."""
        token = secrets.token_urlsafe(24)
        self._pending[token] = (uid, monotonic() + LIFE_SECONDS)
        while len(self._pending) > MOST_PENDING:
            del self._pending[next(iter(self._pending))]
        return token

    def uid_of(self, token: str) -> int | None:
        """Return whose link this is; None where it was opened, is too old, or never was one."""
        uid, ends_at = self._pending.get(token, (None, 0.0))
        return uid if monotonic() < ends_at else None

    def take(self, token: str) -> int | None:
        """Return whose link this is, as `uid_of` does, and end it."""
        uid = self.uid_of(token)
        self._pending.pop(token, None)
        return uid
