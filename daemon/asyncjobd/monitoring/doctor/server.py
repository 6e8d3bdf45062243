"""Checks the server, its settings, and the way to it."""

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.postgres.encoding import ENCODING_ADVICE, SQL_ASCII, encoding_problem

OLDEST_SERVER = 14
NEARLY_ALL_SHARE = 0.8  # share of max_connections
ALL_SHARE = 0.95
LARGEST_CLOCK_OFFSET_SECONDS = 1.0
HALF_FULL_SHARE = 0.5  # share of the queue of notifications
NEARLY_FULL_SHARE = 0.9
SETUP = "server_setup"  # topics
AWAY = "database_is_away"

# by setting: the harmful value, the good one, what happens with the harmful one, and whether data are in danger
HARMFUL = {
    "fsync": ("off", "on", "a crash of the machine may destroy the whole database", True),
    "full_page_writes": ("off", "on", "a crash of the machine may destroy pages of the database", True),
    "autovacuum": ("off", "on", "dead rows are never cleared, and every claim gets slower", True),
    "track_counts": (
        "off",
        "on",
        "autovacuum does not see what is to be done, and every claim gets slower",
        True,
    ),
    "synchronous_commit": (
        "off",
        "on",
        "a crash of the server forgets the last jobs that clients took for inserted",
        False,
    ),
    "session_replication_role": (
        "replica",
        "origin",
        "no trigger fires: nothing is announced, and no rule holds",
        True,
    ),
}


def server(row: Row) -> list[Finding]:
    """Return a finding of the server: its version, and whether it takes writes."""
    seen = f"PostgreSQL {row['version']}, role {row['role']}"
    if row["is_replica"]:
        advice = (
            "name all hosts in the dsn (postgresql://user@a,b/database): the one that takes writes is used"
        )
        return [Finding.problem("server", f"{seen}: a replica, which takes no writes", advice, topic=AWAY)]
    if row["read_only"] == "on":
        advice = f"alter role {row['role']} set default_transaction_read_only = off"
        return [Finding.problem("server", f"{seen}: its transactions are read-only", advice, topic=AWAY)]
    if row["major"] < OLDEST_SERVER:
        advice = f"upgrade it to {OLDEST_SERVER} or newer"
        return [Finding.problem("server", f"{seen}: too old", advice, topic=SETUP)]
    return [Finding.ok("server", seen)]


def settings(row: Row) -> list[Finding]:
    """Return a finding for each harmful setting."""
    found = []
    for name, (harmful, good, then, is_dangerous) in HARMFUL.items():
        if row[name] == harmful:
            level = Finding.problem if is_dangerous else Finding.warning
            advice = f"set {name} = {good} where the server, the database or the role sets it, and reload the server"
            found.append(level("settings", f"{name} is {harmful}: {then}", advice, topic=SETUP))
    return found or [Finding.ok("settings", ", ".join(f"{name} {row[name]}" for name in HARMFUL))]


def connections(row: Row) -> list[Finding]:
    """Return a finding of how many connections are in use."""
    used = row["connections"] / row["most_connections"]
    seen = f"{row['connections']} of {row['most_connections']} are in use"
    if used < NEARLY_ALL_SHARE:
        return [Finding.ok("connections", seen)]
    level = Finding.problem if used >= ALL_SHARE else Finding.warning
    advice = "close those that idle (pg_stat_activity), or raise max_connections"
    return [level("connections", seen, advice, topic="connections_are_used_up")]


def encoding(row: Row) -> list[Finding]:
    """Return a finding of the database's encoding."""
    seen = encoding_problem(row["encoding"])
    if seen is None:
        return [Finding.ok("encoding", row["encoding"])]
    level = Finding.problem if row["encoding"] == SQL_ASCII else Finding.warning
    return [level("encoding", seen, ENCODING_ADVICE, topic=SETUP)]


def notifications(row: Row) -> list[Finding]:
    """Return a finding of the queue of notifications. A session that listens in a transaction takes none in, and keeps
    all later ones in the queue."""
    usage = row["notification_queue"]
    if usage < HALF_FULL_SHARE:
        return [Finding.ok("notifications", f"their queue is {usage:.0%} full")]
    seen = f"their queue is {usage:.0%} full; once it is, no client that notifies can commit"
    named = f"; the oldest are those of {', '.join(row['oldest'])}" if row["oldest"] else ""
    level = Finding.problem if usage >= NEARLY_FULL_SHARE else Finding.warning
    advice = f"end the transaction of the session that listens and does not take them in{named}"
    return [level("notifications", seen, advice, topic="notifications")]


def schemas(row: Row) -> list[Finding]:
    """Return a finding for each schema in which all may create."""
    return [
        Finding.warning(
            "schemas", f"all may create in schema {name}, where names are looked up: others call what they put there",
            f"revoke create on schema {name} from public", topic=SETUP,
        )
        for name in row["open_schemas"]
    ]  # fmt: skip


def pooler(is_heard: bool | None) -> list[Finding]:
    """Return a finding of whether notifications get through the pooler; None: there is none."""
    if is_heard is None:
        return [Finding.ok("pooler", "none, the connection is direct")]
    if is_heard:
        return [Finding.ok("pooler", "there is one, and notifications get through")]
    seen = "there is one, and no notification gets through: daemons poll, and start jobs up to 0.5 s later"
    advice = "give the daemons a dsn past the pooler, or one in session mode"
    return [Finding.warning("pooler", seen, advice, topic="notifications")]


def clock(measured: tuple[float, float]) -> list[Finding]:
    """Return a finding of this host's clock. `measured`: by how many seconds it is ahead, and the seconds that the
    answer took."""
    offset, round_trip = measured
    side = "ahead of" if offset > 0 else "behind"
    seen = f"this host is {1000 * abs(offset):.1f} ms {side} the database, within {500 * round_trip:.1f} ms"
    if abs(offset) - round_trip / 2 < LARGEST_CLOCK_OFFSET_SECONDS:
        return [Finding.ok("clock", seen)]
    seen = f"{seen}: jobs go by the database's, the log by the host's"
    return [Finding.warning("clock", seen, "start an NTP client", topic=SETUP)]
