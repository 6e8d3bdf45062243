"""The configuration as values: one struct for each table of the file."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from asyncjobd.config.calendars import SHORTEST_STEP, Calendar, CronText, ZoneText, calendar_of
from asyncjobd.config.durations import DurationText, IntervalText, format_duration
from asyncjobd.config.names import NO_NUL, NameText, has_nul
from asyncjobd.config.rates import RateText
from asyncjobd.config.sizes import SizeText
from asyncjobd.config.web import WebConfig, parse_address

Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Level = Literal["debug", "info", "warning", "error"]
Duration = Annotated[timedelta, DurationText()]
Interval = Annotated[str, IntervalText()]
Jitter = Annotated[timedelta, DurationText(at_most=timedelta(days=1))]
Places = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]  # 0: none starts
Factor = Annotated[float, msgspec.Meta(ge=1, le=1000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[str, RateText()]
Name = Annotated[str, NameText()]

# the keys of an action that clients may change in the database, too
LIMITS = ("max_running", "max_running_per_key", "rate", "rate_per_key", "burst", "max_running_per_daemon")
# The limits of asyncjob.check_schedule
EARLIEST, LATEST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
MINUTES_KEPT = timedelta(days=3)  # for which the history is kept by minute, too
SMALLEST_MEMORY = 64 * 1024**2  # bytes; Python and asyncjobd themselves take 35 MB
KeptSize = Annotated[str, SizeText(at_least=1024, at_most=256 * 1024)]  # each running job has it in memory


class DatabaseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [database]. An empty `dsn` stands for the embedded server; the other two keys are its own,
    and their defaults are in postgres/embedded.py."""

    dsn: str = ""
    schema: str = "asyncjob"
    data_directory: str = ""
    postgres_bin: str = ""  # the folder of the server's binaries


class DaemonConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [daemon]."""

    name: str = ""  # empty: the name of the host
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100  # executions at a time
    threads: Count = 32  # they run synchronous functions
    transactions: Count = 10  # handlers at a time that have a transaction of their own
    processes: Count = 8  # they run isolated handlers
    shutdown_grace: Duration = timedelta(seconds=30)  # running handlers may end within it at a stop
    lease: Annotated[timedelta, DurationText(at_least=timedelta(seconds=1))] = timedelta(seconds=15)
    unknown_name_grace: Duration = timedelta(minutes=1)  # until jobs that nobody serves go on Hold
    handler_path: tuple[str, ...] = ()  # folders to import handlers from; relative ones are beside the file
    hooks: tuple[str, ...] = ()  # around every execution, the outermost first


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [retention]: how long jobs are kept after their end, and earlier executions of jobs that
    go on. None keeps them for ever."""

    completed: Interval | None = None
    failed: Interval | None = None
    executions: Interval | None = None


class LoggingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [logging]."""

    format: Literal["auto", "console", "json", "journal"] = "auto"
    level: Level = "info"
    processors: tuple[str, ...] = ()  # module:attribute of functions that see each event before it is written


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [metrics]. Without `listen` (host:port) no metrics are served."""

    listen: str = ""
    history: Duration = timedelta(days=400)  # how long it is kept; 0 s: none is written

    @property
    def address(self) -> tuple[str, int] | None:
        """Return host and port (0: a free one); None if `listen` is no address."""
        return parse_address(self.listen)


class ActionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table [actions.NAME]: the handler of the jobs of this name, and the defaults of their rows."""

    handler: str  # module:attribute
    is_active: bool = True
    retry_interval: Interval | None = None
    retry_backoff: Factor | None = None  # each retry multiplies retry_interval by it
    retry_interval_max: Interval | None = None
    retry_jitter: Share | None = None  # of the delay, by which a retry may come earlier
    fatal_exceptions: tuple[str, ...] = ()  # module:class of those that fail a job at once
    retried_exceptions: tuple[str, ...] = ()  # of those that do not, though a class above them does
    max_execution_count: Count | None = None
    is_recursive: bool | None = None
    timeout: Interval | None = None
    max_running_per_daemon: Places | None = None  # jobs at a time
    max_running: Places | None = None  # of all daemons together
    max_running_per_key: Places | None = None  # of each limit_key
    rate: Rate | None = None  # starts
    rate_per_key: Rate | None = None
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None  # starts at once, for both rates
    options: dict[str, Any] = {}  # passed to the handler, whose class declares them
    isolation: Literal["none", "process"] = "none"  # "process": in worker processes of its own
    memory_limit: Annotated[str, SizeText(SMALLEST_MEMORY)] | None = None  # each of these processes has it
    log_level: Level | None = None  # its jobs and its handler log from it on; None: [logging] level
    keep_log: KeptSize | None = None  # of the end of what its handler logs, stored with the outcome

    @property
    def limits(self) -> dict[str, int | str]:
        """The limits that are set, by their keys."""
        found = {key: getattr(self, key) for key in LIMITS}
        return {key: value for key, value in found.items() if value is not None}


class ScheduleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table [schedules.NAME]: when new jobs of an action are inserted. It has either `cron` or `every`.

    `params`, `priority`, `max_execution_count`, `timeout` and `limit_key` are columns of each of these jobs.
    """

    job_name: Name
    cron: Annotated[str, CronText()] | None = None
    time_zone: Annotated[str, ZoneText()] = "UTC"  # of cron
    every: Annotated[timedelta, DurationText(at_least=SHORTEST_STEP)] | None = None
    anchor: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # of every; None: calendars.ANCHOR
    params: Any = msgspec.field(default_factory=dict)
    priority: Annotated[int, msgspec.Meta(ge=-(2**15), le=2**15 - 1)] = 0
    max_execution_count: Count | None = None
    timeout: Interval | None = None
    limit_key: Name | None = None
    catch_up: Literal["none", "one", "all"] = "one"  # which of the times that passed without a job get one
    catch_up_for: Duration = timedelta(days=1)  # how long ago such a time may be
    overlap: Literal["skip", "queue", "allow"] = "skip"  # what a time does while the last job is open
    jitter: Jitter = timedelta(0)  # the most by which a job starts later

    @property
    def conflict(self) -> tuple[str, str] | None:
        """A key ("" for the table) that does not go with the others, and why."""
        if (self.cron is None) == (self.every is None):
            return "", 'expected either cron, such as "30 2 * * MON-FRI", or every, such as "15 min"'
        if self.cron is None and self.time_zone != "UTC":
            return "time_zone", "only cron has one: every counts in UTC"
        if self.every is None and self.anchor is not None:
            return "anchor", "only every has one: its times begin there"
        if self.anchor is not None and not EARLIEST <= self.anchor <= LATEST:
            return "anchor", f"{self.anchor.isoformat()}: expected a time between the years 1000 and 9000"
        if has_nul(self.params):
            return "params", f"a text in it {NO_NUL}"
        return None

    @property
    def calendar(self) -> Calendar:
        return calendar_of(self.cron, self.time_zone, self.every, self.anchor)

    def columns(self, name: str) -> dict[str, Any]:
        """Return the columns of asyncjob.schedule, with durations as PostgreSQL reads them."""
        fields = msgspec.structs.asdict(self)
        return {"name": name} | {
            key: format_duration(value) if isinstance(value, timedelta) else value
            for key, value in fields.items()
        }


class Config(msgspec.Struct, frozen=True):
    """The whole configuration. `path` is None where no file was read. `origins` names, for each action and
    key, the file that has it."""

    database: DatabaseConfig = DatabaseConfig()
    daemon: DaemonConfig = DaemonConfig()
    retention: RetentionConfig = RetentionConfig()
    logging: LoggingConfig = LoggingConfig()
    metrics: MetricsConfig = MetricsConfig()
    web: WebConfig = WebConfig()
    actions: dict[str, ActionConfig] = {}
    schedules: dict[str, ScheduleConfig] = {}
    path: Path | None = None
    origins: dict[str, dict[str, Path]] = {}

    @property
    def daemon_name(self) -> str:
        return self.daemon.name or socket.gethostname()

    @property
    def drop_in_directory(self) -> Path:
        """The folder with one file an action, to which the command line writes."""
        return (self.path.parent if self.path else Path()) / "actions.d"

    @property
    def handler_path(self) -> list[str]:
        base = self.path.parent if self.path else Path()
        return [str((base / entry).resolve()) for entry in self.daemon.handler_path]
