"""Reads credentials that the service manager hands to its unit: LoadCredential= in systemd.exec(5)."""

import os
from pathlib import Path

from asyncjobd.config.errors import ConfigError


def read_credential(name: str) -> str | None:
    """Return a credential without the white space around it; None if the unit has none of this name.

    It is read anew each time, so that a changed one is used. Raise ConfigError if it cannot be read or is
    empty.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = Path(folder) / name
    try:
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: the credential cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the credential is not UTF-8 text") from error
    if not value:
        raise ConfigError(f"{path}: the credential is empty")
    return value
