"""Put a unit and its first configuration on this machine, and take them away again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from asyncjobd.cli.failures import Failure
from asyncjobd.cli.unit.sandbox import obstacle
from asyncjobd.cli.unit.template import UNITS, Unit, is_unchanged
from asyncjobd.config.example import example

BOOTED = Path("/run/systemd/system")  # sd_booted(3)
CONFIGURATIONS = Path("/etc")
CREDENTIALS = Path("/etc/credstore")
STATE = Path("/var/lib")


def install(unit: Unit) -> Iterator[str]:
    """Write the unit's file and, where there is none yet, its configuration; yield what was done.

    Raise Failure, with nothing written, where the service could not run or somebody has changed the file.
    """
    _check_machine()
    if (why := obstacle()) is not None:
        raise Failure(f"{why}: install asyncjobd elsewhere, such as in a venv at /opt/asyncjobd")
    if unit.file.exists() and not is_unchanged(_read(unit.file)):
        raise Failure(
            f"{unit.file} was changed, or is not from `asyncjobd unit --install`: keep your changes in a drop-in "
            f"(`systemctl edit {unit.name}`) and remove the file, or go on with yours"
        )
    if unit.config.exists():
        yield f"kept {unit.config}"
    else:
        yield _write(unit.config, example())
    yield _write(unit.file, unit.marked_text())
    _systemctl("daemon-reload")


def start(unit: Unit) -> Iterator[str]:
    """Enable the unit and start it; yield what was done."""
    _systemctl("enable", "--now", f"{unit.name}.service")  # a name may end like that of a timer
    yield f"started {unit.name}; `systemctl status {unit.name}` shows what it does"


def remove(unit: Unit) -> Iterator[str]:
    """Stop the unit and remove what `install` has put there; yield what was done, and what is kept and why."""
    _check_machine()
    if not unit.file.exists() and not unit.config.exists():
        yield f"neither {unit.file} nor {unit.config} is there"
    if unit.file.exists():
        _systemctl("disable", "--now", f"{unit.name}.service")
        yield f"stopped {unit.name}"
        yield from _remove_file(unit)
        _systemctl("daemon-reload")
        # A pattern may match nothing; a name must be loaded
        _systemctl("reset-failed", f"{unit.name}.service*")
    if unit.config.exists():
        yield from _remove_config(unit)
    yield from _kept_data(unit)


def _remove_file(unit: Unit) -> Iterator[str]:
    if others := _other_instances(unit):
        yield f"kept {unit.file} for {' and '.join(others)}"
    elif not is_unchanged(_read(unit.file)):
        yield f"kept {unit.file}: it was changed"
    else:
        unit.file.unlink()
        yield f"removed {unit.file}"
    drop_ins = UNITS / f"{unit.name}.service.d"
    if drop_ins.exists():
        yield f"kept {drop_ins}: it is not from `asyncjobd unit`"


def _remove_config(unit: Unit) -> Iterator[str]:
    if unit.other.file.exists():
        yield f"kept {unit.config}: {unit.other.file} names it"
        return
    if _read(unit.config) != example():
        yield f"kept {unit.config}: it is not as this version writes it"
        return
    unit.config.unlink()
    yield f"removed {unit.config}"
    folder = unit.config.parent
    if left := sorted(each.name for each in folder.iterdir()):
        yield f"kept {folder}: it has {', '.join(left)}"
    else:
        folder.rmdir()
        yield f"removed {folder}"


def _kept_data(unit: Unit) -> Iterator[str]:
    credential = CREDENTIALS / f"{unit.name}.dsn"
    if credential.exists():
        yield f"kept {credential}: it is not from `asyncjobd unit`"
    folders = [str(each) for each in (STATE / unit.name, STATE / "private" / unit.name) if each.exists()]
    if folders:
        what = (
            "the key that signs sessions" if unit.is_web else "the data of its embedded server, if it had one"
        )
        yield f"kept {what}: rm -r {' '.join(folders)} deletes it"


def _other_instances(unit: Unit) -> list[str]:
    """Return the names of other instances that use the same file: those that are loaded or configured."""
    if unit.instance is None:
        return []
    listed = _systemctl("list-units", "--all", "--plain", "--no-legend", f"{unit.kind}@*.service")
    names = {line.split()[0].removesuffix(".service") for line in listed.splitlines()}
    if not unit.is_web:  # one that is installed, and not enabled yet, is not loaded
        names |= {each.parent.name for each in CONFIGURATIONS.glob("asyncjobd@*/config.toml")}
    return sorted(names - {unit.name})


def _write(path: Path, text: str) -> str:
    """Write a file that everybody may read, whatever the umask; return what was done."""
    try:
        if not path.parent.exists():
            path.parent.mkdir()
            path.parent.chmod(0o755)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    return f"wrote {path}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error


def _check_machine() -> None:
    """Raise Failure where no unit can be set up."""
    if not BOOTED.exists():
        raise Failure(
            "systemd does not run on this machine; `asyncjobd unit` without an option prints the unit"
        )
    if os.geteuid() != 0:
        raise Failure("only root can set up a unit: run the same with sudo")


def _systemctl(*arguments: str) -> str:
    """Run systemctl and return what it prints. Raise Failure where it fails."""
    program = shutil.which("systemctl")
    if program is None:
        raise Failure("there is no systemctl on the PATH")
    ran = subprocess.run([program, *arguments], capture_output=True, text=True)
    if ran.returncode:
        raise Failure(f"systemctl {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout
