"""Reads attachments: files of one folder, by names that a row gives."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

# O_NONBLOCK: a pipe is opened, and then refused, without waiting for a writer
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class AttachmentError(Exception):
    """The row names a file that cannot be attached."""


def read_files(folder: Path, names: Iterable[str], largest: int) -> list[tuple[str, bytes]]:
    """Return the last part of each name, and the contents of the file.

    Symbolic links below the folder are not followed. Raise AttachmentError for a file that cannot be read,
    and for more than `largest` bytes in all; OSError if the folder itself cannot be read.
    """
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
    """Return the contents of a file, of which at most one byte more than is left."""
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
