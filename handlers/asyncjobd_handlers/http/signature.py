"""Signatures of requests, as standardwebhooks.com describes them."""

import base64
import hashlib
import hmac
import time

from asyncjobd_handlers.secret import SecretError


def signature(secret: str, key: str, content: bytes) -> dict[str, str]:
    """Return the headers that sign a message with this id (`key`) and body now. Raise SecretError."""
    now = str(int(time.time()))
    digest = hmac.digest(_decoded(secret), f"{key}.{now}.".encode() + content, hashlib.sha256)
    signed = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": key, "webhook-timestamp": now, "webhook-signature": signed}


def _decoded(secret: str) -> bytes:
    """Return the bytes of a secret: text, or base64 after "whsec_"."""
    encoded = secret.removeprefix("whsec_")
    try:
        return secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise SecretError(f"sign_with: what follows whsec_ is not base64: {error}") from error
