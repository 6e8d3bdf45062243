"""A pgbouncer in front of the tests' server."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asyncjobd.postgres.embedded import EmbeddedServer
from tests.support.daemon import DEADLINE

needs_pooler = pytest.mark.skipif(
    shutil.which("pgbouncer") is None, reason="there is no pgbouncer: apt install pgbouncer"
)


@contextmanager
def pooler(server: EmbeddedServer, dsn: str, folder: Path, mode: str, **more: str) -> Iterator[str]:
    """Run a pgbouncer in a mode, and give the dsn through it. `more`: its settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", "auth_type": "any",
                "pool_mode": mode, "default_pool_size": "30", "max_client_conn": "200"} | more  # fmt: skip
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={server.socket_directory} user=postgres\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    command = ["unshare", "--map-user=1000", "--map-group=1000", "pgbouncer", "-q", str(config)]
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command], stderr=log)
    try:
        _wait_for(port, folder / "pgbouncer.log")
        yield f"postgresql://postgres@127.0.0.1:{port}{urlsplit(dsn).path}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
