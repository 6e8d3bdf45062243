"""Checks the transactions of clients that hold up jobs."""

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.units import duration, one_line

LONG_IDLE_SECONDS = 5.0  # in a transaction that has written jobs
LONG_SECONDS = 60.0  # for such a transaction as a whole


def writers(rows: list[Row]) -> list[Finding]:
    """Return a finding for each open transaction that has written jobs, and does not go on."""
    return [_writer(row) for row in rows if _is_long(row)]


def _is_long(row: Row) -> bool:
    is_idle = (row["state"] or "").startswith("idle in transaction")
    return (row["seconds"] or 0.0) >= LONG_SECONDS or (is_idle and row["idle_for"] >= LONG_IDLE_SECONDS)


def _writer(row: Row) -> Finding:
    who = ", ".join(one_line(each) for each in (row["role"], row["application"], row["state"]) if each)
    seen = (
        f"the transaction of pid {row['pid']} ({who}) is open for {duration(row['seconds'])} and has written jobs: "
        "what it inserts is not there yet, and rows that it has locked are passed over"
    )
    advice = f"let it commit, or end it: select pg_terminate_backend({row['pid']})"
    return Finding.warning("locks", seen, advice, topic="row_is_locked")
