"""Checks dead rows: what keeps them from being cleared, and how many there are. They make every claim slower."""

from asyncjobd.monitoring.doctor.finding import Finding, Row
from asyncjobd.monitoring.units import duration, size

OLD_SNAPSHOT_SECONDS = 300.0
TOO_OLD_SNAPSHOT_SECONDS = 3600.0
OLD_PREPARED_SECONDS = 60.0  # nobody waits between the two phases
TOO_OLD_PREPARED_SECONDS = 600.0
OLD_TRANSACTIONS = 1_000_000  # begun since
MANY_DEAD_ROWS = 50_000
MUCH_DEAD_SHARE = 0.3  # dead rows, as a share of all rows
BLOATED_FACTOR = 4.0  # the table's size, as a multiple of what its rows take
WORTH_PACKING_BYTES = 100e6
MUCH_WAL_BYTES = 1e9
TOPIC = "dead_rows"

END = {
    "session": "end it, if nobody needs it: select pg_terminate_backend({name})",
    "prepared": "ask whose it is, then: rollback prepared {name}, or commit prepared {name}",
    "slot": "bring its replica back, or drop it: select pg_drop_replication_slot({name})",
}


def snapshots(rows: list[Row]) -> list[Finding]:
    """Return a finding for each old snapshot, with how to end it."""
    found = []
    for row in rows:
        is_prepared = row["kind"] == "prepared"
        seconds = row["seconds"] or 0.0  # None: a slot's, or not ours to see
        time = "" if row["seconds"] is None else f"{duration(seconds)} and "
        seen = f"{row['holder']} keeps dead rows from being cleared, for {time}{row['transactions']} transactions"
        advice = END[row["kind"]].format(name=row["name"])
        if seconds >= (TOO_OLD_PREPARED_SECONDS if is_prepared else TOO_OLD_SNAPSHOT_SECONDS):
            found.append(Finding.problem("snapshots", seen, advice, topic=TOPIC))
        elif (
            seconds >= (OLD_PREPARED_SECONDS if is_prepared else OLD_SNAPSHOT_SECONDS)
            or row["transactions"] >= OLD_TRANSACTIONS
        ):
            found.append(Finding.warning("snapshots", seen, advice, topic=TOPIC))
    oldest = max((row["seconds"] or 0.0 for row in rows), default=0.0)
    return found or [Finding.ok("snapshots", f"{len(rows)} held, the oldest for {duration(oldest)}")]


def slots(rows: list[Row]) -> list[Finding]:
    """Return a finding for each replication slot that keeps much WAL, which fills the server's disk."""
    return [
        Finding.warning(
            "slots",
            f"replication slot {row['name']} ({'in use' if row['is_active'] else 'not in use'}) keeps "
            f"{size(row['bytes'])} of WAL on the server's disk",
            END["slot"].format(name=f"'{row['name']}'"),
            topic="disk_fills_up",
        )
        for row in rows
        if row["bytes"] >= MUCH_WAL_BYTES
    ]


def tables(rows: list[Row]) -> list[Finding]:
    """Return findings for dead rows, bloat, and tables that autovacuum leaves out."""
    return [finding for row in rows for finding in _table(row)]


def _table(row: Row) -> list[Finding]:
    name = row["name"]
    ago = "never vacuumed" if row["vacuumed_ago"] is None else f"vacuumed {duration(row['vacuumed_ago'])} ago"
    seen = (
        f"{name}: {row['live']} rows, {row['dead']} dead, {size(row['bytes'])}, "
        f"indexes {size(row['index_bytes'])}, {ago}"
    )
    found = []
    if row["is_left_out"]:
        advice = f"alter table {name} reset (autovacuum_enabled)"
        found.append(Finding.problem("tables", f"{seen}; autovacuum leaves it out", advice, topic=TOPIC))
    if row["dead"] > MANY_DEAD_ROWS and row["dead"] > MUCH_DEAD_SHARE * (row["live"] + row["dead"]):
        advice = f"end what holds a snapshot, then: vacuum {name}"
        found.append(Finding.warning("tables", seen, advice, topic=TOPIC))
    if row["bytes"] > WORTH_PACKING_BYTES and 0 < row["packed"] * BLOATED_FACTOR < row["bytes"]:
        more = f"; its rows need {size(row['packed'])}"
        advice = f"pack it with pg_repack, or while the daemons are stopped: vacuum full {name}"
        found.append(Finding.warning("tables", seen + more, advice, topic=TOPIC))
    return found or [Finding.ok("tables", seen)]
