"""A unit of systemd: its text, which names the paths of this installation, and the places that belong to it."""

import hashlib
import re
import sysconfig
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from asyncjobd.cli.failures import Failure

UNITS = Path("/etc/systemd/system")
TEMPLATE_PROGRAM = "/opt/asyncjobd/bin/asyncjobd"  # as the templates name it
HEADER = (
    "# Written by `asyncjobd unit --install`, which replaces and removes it as long as nobody changes it.\n"
)
_MARK = re.compile(re.escape(HEADER) + r"# sha256 of the following lines: ([0-9a-f]{64})\n")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+@-]+")  # all else has a meaning in a unit, or needs quotes


@dataclass(frozen=True)
class Unit:
    """The unit of a daemon or of a page. `instance` names one of several on a machine; None: the only one."""

    instance: str | None
    is_web: bool

    @property
    def kind(self) -> str:
        """The name without the instance."""
        return "asyncjobd-web" if self.is_web else "asyncjobd"

    @property
    def name(self) -> str:
        """The name that systemctl takes."""
        return self.kind if self.instance is None else f"{self.kind}@{self.instance}"

    @property
    def file(self) -> Path:
        """The file of the unit, which all instances share."""
        return UNITS / (f"{self.kind}.service" if self.instance is None else f"{self.kind}@.service")

    @property
    def config(self) -> Path:
        """The configuration file, which a daemon and its page share."""
        folder = "asyncjobd" if self.instance is None else f"asyncjobd@{self.instance}"
        return Path("/etc") / folder / "config.toml"

    @property
    def other(self) -> "Unit":
        """The page of a daemon, the daemon of a page."""
        return Unit(self.instance, not self.is_web)

    def text(self) -> str:
        """Return the text of the file. Raise Failure where this installation has no program that a unit can start."""
        template = files("asyncjobd") / "share" / "systemd" / f"{self.kind}.service"
        text = template.read_text(encoding="utf-8").replace(TEMPLATE_PROGRAM, str(program()))
        return text if self.instance is None else text.replace("/etc/asyncjobd/", "/etc/asyncjobd@%i/")

    def marked_text(self) -> str:
        """Return the text with a header by which `is_unchanged` knows it."""
        text = self.text()
        return f"{HEADER}# sha256 of the following lines: {_digest(text)}\n{text}"


def is_unchanged(text: str) -> bool:
    """Return whether this is a marked text of this or another version, as it was written."""
    mark = _MARK.match(text)
    return mark is not None and mark[1] == _digest(text[mark.end() :])


def program() -> Path:
    """Return the command `asyncjobd` of this installation. Raise Failure where there is none."""
    path = Path(sysconfig.get_path("scripts")) / "asyncjobd"
    if not path.exists():
        raise Failure(f"there is no {path}, which the unit would start: install asyncjobd with pip")
    if not _PLAIN_PATH.fullmatch(str(path)):
        raise Failure(
            f"{path}: a unit can name paths of letters, digits and _./+@- only: install asyncjobd at such a path, "
            "such as /opt/asyncjobd"
        )
    return path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
