"""Options with secrets in them: ${NAME} stands for a credential of the unit, or for an environment variable."""

import os
import re

from asyncjobd.config.credentials import read_credential
from asyncjobd.config.load import ConfigError

_REFERENCE = re.compile(r"\$\{(\w[\w.-]*)\}")


class SecretError(Exception):
    """A secret cannot be had now."""


def reveal(text: str) -> str:
    """The text with its secrets; asked for anew each time, so that one that was changed is taken up."""
    return _REFERENCE.sub(lambda reference: _secret(reference[1]), text)


def _secret(name: str) -> str:
    value = _credential(name) or os.environ.get(name, "").strip()
    if not value:
        raise SecretError(f"${{{name}}} is neither a credential of this unit nor an environment variable")
    if not value.isprintable():
        raise SecretError(f"${{{name}}} has a line break or another control character in it")
    return value


def _credential(name: str) -> str | None:
    try:
        return read_credential(name)
    except ConfigError as error:
        raise SecretError(str(error)) from error
