"""A real systemd, booted in a container over a copy-on-write view of this machine; needs root and systemd-nspawn."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

BOOT_SECONDS = 60
NEEDLESS = (
    "postgresql.service",
    "pgbouncer.service",
    "cron.service",
    "nginx.service",
    "caddy.service",
)  # of this machine's; they slow the boot down


def is_possible() -> bool:
    return os.geteuid() == 0 and shutil.which("systemd-nspawn") is not None


class Container:
    def __init__(self, folder: Path) -> None:
        self._overlay = folder / "overlay"
        self._overlay.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "asyncjobd-test", self._overlay], check=True)
        for name in ("upper", "work", "root"):
            (self._overlay / name).mkdir()
        layers = f"lowerdir=/,upperdir={self._overlay}/upper,workdir={self._overlay}/work"
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", layers, self._overlay / "root"], check=True
        )
        for service in NEEDLESS:
            (self._overlay / "root/etc/systemd/system" / service).symlink_to("/dev/null")
        self._log = folder / "nspawn.log"
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--private-network",
                 "--console=pipe", f"--machine=asyncjobd-test-{os.getpid()}", "--directory", self._overlay / "root"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )  # fmt: skip
        self._leader = self._booted()

    def _booted(self) -> int:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
            for child in children:
                state = subprocess.run(
                    ["nsenter", "-t", child, "-a", "systemctl", "is-system-running"],
                    capture_output=True,
                    text=True,
                    errors="replace",
                )
                if state.stdout.strip() in {"running", "degraded"}:
                    return int(child)
            time.sleep(0.1)
        self._unmount()
        raise TimeoutError(f"systemd did not come up: {self._log.read_text()}")

    def copy(self, folder: Path, inside: str) -> None:
        """Copy a folder of this machine into the container."""
        ignore = shutil.ignore_patterns(".venv", ".git", ".*_cache", ".hypothesis", "__pycache__")
        shutil.copytree(folder, f"{self._overlay}/root{inside}", symlinks=True, ignore=ignore)

    def changed(self, *folders: str) -> set[str]:
        """Return the files in these folders, and the new folders, that differ from this machine's."""
        upper = self._overlay / "upper"
        paths = [path for folder in folders for path in (upper / folder.strip("/")).rglob("*")]
        return {
            inside for path in paths
            if not (Path(inside := f"/{path.relative_to(upper)}").is_dir() and path.is_dir())
        }  # fmt: skip

    def run(self, script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a shell script inside."""
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "bash", "-euc", script],
            capture_output=True, text=True, errors="replace", timeout=120, stdin=subprocess.DEVNULL, env={**os.environ, **environment},
        )  # fmt: skip

    def stop(self) -> None:
        os.kill(self._leader, signal.SIGRTMIN + 4)  # systemd(1): power off
        try:
            self._nspawn.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.kill(self._leader, signal.SIGKILL)
            self._nspawn.wait(timeout=30)
        self._unmount()

    def _unmount(self) -> None:
        if self._nspawn.poll() is None:
            self._nspawn.kill()
            self._nspawn.wait()
        for mounted in (self._overlay / "root", self._overlay):
            subprocess.run(["umount", mounted], check=True)
