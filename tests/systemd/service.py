"""A unit of asyncjobd in the container, and the jobs of its database."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.systemd.container import Container

T = TypeVar("T")

DEADLINE = 30.0  # seconds that any awaited event gets


class Service:
    """A unit. `as_user` asks the database at `dsn`, by default the unit's embedded server."""

    def __init__(
        self, machine: Container, unit: str = "asyncjobd", dsn: str = "", as_user: str = "root"
    ) -> None:
        self.machine = machine
        self.unit = unit
        self.dsn = (
            dsn or f"postgresql://postgres@/postgres?host=/var/lib/{unit.replace('@', '%40')}/postgres.run"
        )
        self._as_user = as_user

    def run(self, script: str) -> str:
        """Run a shell script in the container and return what it prints."""
        ran = self.machine.run(script)
        assert ran.returncode == 0, f"{script}: {ran.stderr}{ran.stdout}{self.log()}"
        return ran.stdout.strip()

    def until(self, what: str, found: Callable[[], T | None]) -> T:
        """Wait until something is found, and return it."""
        deadline = time.monotonic() + DEADLINE
        while not (result := found()):
            assert time.monotonic() < deadline, f"waited in vain: {what}; {self.log()}"
            time.sleep(0.05)
        return result

    def shown(self, name: str) -> str:
        return self.run(f"systemctl show {self.unit} --property={name} --value")

    def log(self) -> str:
        return self.machine.run(f"journalctl -u {self.unit} -o cat -n 100 --no-pager").stdout

    def exposure(self) -> float:
        """Return the exposure by systemd-analyze(1), from 0 to 10."""
        return float(
            self.run(f"systemd-analyze security {self.unit} --no-pager | tail -1").split(": ")[1].split()[0]
        )

    def set(self, *settings: str) -> None:
        """Replace the drop-in by one with these settings; those of a start count from the next one on."""
        drop_in = f"/run/systemd/system/{self.unit}.service.d/test.conf"
        lines = "\n".join(["[Service]", *settings])
        self.run(f"mkdir -p $(dirname {drop_in}); echo '{lines}' > {drop_in}; systemctl daemon-reload")

    @contextmanager
    def restarted_with(self, *settings: str) -> Iterator[None]:
        self.set(*settings)
        self.restart()
        yield
        self.set()
        self.restart()

    def restart(self) -> None:
        self.run(f"systemctl restart {self.unit}")

    def events(self, event: str, **keys: Any) -> list[dict[str, str]]:
        """Return the events logged with this name and these values."""
        fields = " ".join(
            f"ASYNCJOBD_{key.upper()}={value}" for key, value in {"event": event, **keys}.items()
        )
        logged = self.run(f"journalctl -u {self.unit} -o json --no-pager {fields}")
        return [json.loads(line) for line in logged.splitlines() if line.startswith("{")]

    def wait_for(self, event: str, **keys: Any) -> dict[str, str]:
        return self.until(f"{event} {keys}", lambda: self.events(event, **keys))[-1]

    def sql(self, statement: str) -> str:
        return self.run(self._psql(statement))

    def _psql(self, statement: str) -> str:
        return f"runuser -u {self._as_user} -- psql -qAtX '{self.dsn}' <<'END'\n{statement}\nEND"

    def insert(self, job_name: str, params: str = "{}") -> int:
        values = f"('{job_name}', '{params}')"
        return int(self.sql(f"insert into asyncjob.job (job_name, params) values {values} returning id"))

    def row(self, job_id: int) -> dict[str, Any]:
        """Return the job's row, waiting where the unit's embedded server is away."""
        statement = self._psql(f"select row_to_json(job) from asyncjob.job where id = {job_id}")
        return self.until(f"job {job_id}", lambda: json.loads(self.machine.run(statement).stdout or "{}"))

    def running(self, job_id: int) -> None:
        self.until(f"job {job_id} runs", lambda: self.row(job_id)["daemon_id"])

    def settled(self, job_id: int) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            row = self.row(job_id)
            return row if row["status"] in {"Completed", "Failed"} and row["daemon_id"] is None else None

        return self.until(f"job {job_id} ends", found)

    def greeted(self) -> str:
        """Run a job and return its message."""
        return str(self.settled(self.insert("Greeting", '{"to": "you"}'))["message"])
