"""Files of one folder, by names that a row gives."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

FLAGS = (
    os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
)  # a pipe is opened, and refused, without waiting


class AttachmentError(Exception):
    """A file that is not to be had from the folder."""


def read_files(folder: Path, names: Iterable[str], largest: int) -> list[tuple[str, bytes]]:
    """Each with its last name; `largest` in bytes, all together. Symbolic links below the folder are not followed.
    OSError where the folder itself cannot be read."""
    files = []
    left = largest
    for name in names:
        content = _read(folder, name, left)
        if len(content) > left:
            raise AttachmentError(f"the attachments are larger than {largest:,} bytes")
        left -= len(content)
        files.append((name.rpartition("/")[2], content))
    return files


def _read(folder: Path, name: str, left: int) -> bytes:
    """At most one byte more than is left."""
    parts = name.split("/")
    if not name.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise AttachmentError(f"{name!r} is not a path below the folder of attachments")
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inside = os.open(part, FLAGS, dir_fd=place)
            os.close(place)
            place = inside
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise AttachmentError(f"{name!r} is not a file")
        with os.fdopen(os.dup(place), "rb") as file:
            return file.read(left + 1)
    except OSError as error:
        raise AttachmentError(f"{name!r}: {error.strerror}") from error
    finally:
        os.close(place)
