"""Secrets in options: ${NAME} stands for a credential of the unit, or for an environment variable."""

import os
import re

from asyncjobd.config.credentials import read_credential
from asyncjobd.config.errors import ConfigError

_REFERENCE = re.compile(r"\$\{(\w[\w.-]*)\}")


class SecretError(Exception):
    """A secret is missing or cannot be read. It may be there at the next try."""


def reveal(text: str) -> str:
    """Return the text with its secrets filled in. Raise SecretError.

    They are read anew each time, so that a changed one is used.
    """
    return _REFERENCE.sub(lambda reference: _secret(reference[1]), text)


def _secret(name: str) -> str:
    try:
        value = read_credential(name) or os.environ.get(name, "").strip()
    except ConfigError as error:
        raise SecretError(str(error)) from error
    if not value:
        raise SecretError(f"${{{name}}} is neither a credential of this unit nor an environment variable")
    if not value.isprintable():
        raise SecretError(f"${{{name}}} has a line break or another control character in it")
    return value
