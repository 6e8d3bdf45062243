"""The engine's statements use their indexes, whatever the statistics say."""

import json
import re

import pytest

from asyncjobd.postgres.database import ENGINE_SETTINGS
from asyncjobd.postgres.statement import load_statement
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

STATES = {
    "never analyzed": "select 1",
    "analyzed when empty": "analyze asyncjob.job; ",
    "analyzed full of ended rows": (
        "insert into asyncjob.job (job_name, status) select 'n' || n % 20, 'Completed' from generate_series(1, 20000) n;"
        "analyze asyncjob.job; "
    ),
    "analyzed full of ready rows": (
        "insert into asyncjob.job (job_name) select 'n' || n % 20 from generate_series(1, 20000) n; analyze asyncjob.job; "
    ),
    "analyzed full of queued rows": (
        "insert into asyncjob.job (job_name, schedule_time) select 'n', now() + interval '1 day' from generate_series(1, 20000);"
        "analyze asyncjob.job; "
    ),
    "analyzed full of waiting rows": (
        "insert into asyncjob.job (job_name, waits_for_children) select 'n', true from generate_series(1, 20000);"
        "analyze asyncjob.job; "
    ),
    "analyzed full of children": (
        "insert into asyncjob.job (job_name, parent_id) select 'n', 1 from generate_series(1, 20000);"
        "analyze asyncjob.job; "
    ),
    "analyzed full of keys": (
        "insert into asyncjob.job (job_name, limit_key) select 'n', n % 1000 from generate_series(1, 100000) as n;"
        "analyze asyncjob.job; "
    ),
    "analyzed full of owned rows": (
        "insert into asyncjob.job (job_name) select 'n' from generate_series(1, 20000);"
        "set asyncjob.engine = 'on'; update asyncjob.job set daemon_id = 1, claim_token = id; reset asyncjob.engine;"
        "analyze asyncjob.job; "
    ),
}

# the rows that a statement finds first, and by which index
FINDS = {
    "jobs/claim_jobs": {"job_ready"},
    "inspect/list_actions": {"job_ready", "job_shown", "job_owned"},
    "inspect/list_failures": {"job_shown"},
    "inspect/list_running_jobs": {"job_owned"},
    "jobs/promote_jobs": {"job_due"},
    "jobs/find_ready_jobs": {"job_ready"},
    "jobs/list_lanes": {"job_ready"},
    "jobs/find_due_jobs": {"job_due"},
    "upkeep/find_unknown_jobs": {"job_ready"},
    "upkeep/hold_unknown_jobs": set(),
    "upkeep/find_unknown_names": {"job_ready"},
    "upkeep/find_known_jobs": {"job_held"},
    "upkeep/release_known_jobs": set(),
    "fleet/find_lost_jobs": {"job_owned"},
    "fleet/rescue_jobs": set(),
    "jobs/set_aside_job": set(),
    "jobs/read_params": set(),
    "jobs/record_outcomes": set(),
    "jobs/write_progress": set(),
    "jobs/find_owned_executions": set(),
    "jobs/list_owned_jobs": {"job_owned"},
    "jobs/hand_back_jobs": set(),
    "jobs/find_waiting_jobs": {"job_waits_on"},
    "jobs/find_ended_watches": {"job_waits_on"},
    "jobs/resolve_waiting_jobs": {"job_parent"},
    "upkeep/find_ended_jobs": set(),
    "upkeep/delete_jobs": {"job_waits_on"},
    "inspect/count_waiting_jobs": {"job_waits_on"},
    "jobs/find_limited_jobs": set(),
    "inspect/list_far_jobs": {"job_due"},
    "inspect/explain_limits": {"job_owned", "job_keyed"},
    "inspect/show_job": set(),
    "inspect/read_value": set(),
    "inspect/list_relatives": {"job_parent"},
    "inspect/list_tree": {"job_parent"},
    "inspect/list_graph_jobs": set(),
    "inspect/list_child_ids": {"job_parent"},
    "inspect/count_due": {"job_due"},
    "inspect/search_jobs": set(),
    "inspect/list_jobs_running": {"job_owned"},
    "inspect/list_jobs_queued": {"job_due"},
    "inspect/list_jobs_ready": {"job_ready"},
    "inspect/list_jobs_failed": {"job_shown"},
    "inspect/list_jobs_held": {"job_shown"},
    "upkeep/write_queue_history": {"job_ready", "job_shown", "job_owned"},
}
HISTORY = (
    "upkeep/write_queue_history", "upkeep/delete_history", "inspect/list_history",
)  # fmt: skip
# pages that a choice of rows may read, whatever the statistics say: reading all rows takes several times as many
MOST_PAGES = 400


async def test_old_executions_are_found_by_their_age(db: Connection) -> None:
    for name, value in ENGINE_SETTINGS.items():
        await db.execute(f"set {name} = '{value}'")
    plan = await generic_plan(db, "upkeep/delete_executions")
    assert re.search(r"Scan using execution_finished on execution", plan), plan
    assert re.search(r"Scan using execution_pkey on execution", plan), plan
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("rows", [0, 20_000])
async def test_history_is_found_by_its_key(db: Connection, rows: int) -> None:
    await db.execute(
        "insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id)"
        " select 1, to_timestamp(n / 20 * 60), 'n' || n % 20, n % 2"
        f" from generate_series(1, {rows}) as n; analyze asyncjob.rollup"
    )
    for name, value in ENGINE_SETTINGS.items():
        await db.execute(f"set {name} = '{value}'")
    for query in HISTORY:
        plan = await generic_plan(db, query)
        assert "Seq Scan on rollup" not in plan, f"{query}: {plan}"
        assert "Join Filter" not in plan, f"{query}: {plan}"
        for scan in re.split(r"Index (?:Only )?Scan using", plan)[1:]:
            if " on rollup" in scan.partition("\n")[0]:
                condition = re.search(r"Index Cond: (.*)", scan)
                assert condition and re.search(r"began_at [<>=]", condition[1]), f"{query}: {plan}"
                assert re.search(r"minutes = ", condition[1]), f"{query}: {plan}"
    assert "One-Time Filter: (NOT " in await generic_plan(db, "upkeep/write_queue_history")


@pytest.mark.parametrize("schedules", [0, 10_000])
async def test_next_schedules_are_found_by_their_indexes(db: Connection, schedules: int) -> None:
    await db.execute(
        "insert into asyncjob.schedule (name, job_name, every, next_at)"
        f" select n, 'n', '1 day', now() + n * interval '1 s' from generate_series(1, {schedules}) as n;"
        "analyze asyncjob.schedule"
    )
    for name, value in ENGINE_SETTINGS.items():
        await db.execute(f"set {name} = '{value}'")
    plan = await generic_plan(db, "jobs/find_next_schedules")
    assert set(re.findall(r"Scan using (\w+) on schedule", plan)) == {
        "schedule_new", "schedule_due", "schedule_pkey",
    }  # fmt: skip
    assert "Seq Scan on schedule" not in plan, plan
    assert "Join Filter" not in plan, plan


@pytest.mark.parametrize("state", STATES)
async def test_engine_statement_reads_by_primary_key_and_its_own_index_only(
    db: Connection, state: str
) -> None:
    await db.execute(STATES[state])
    for name, value in ENGINE_SETTINGS.items():
        await db.execute(f"set {name} = '{value}'")
    for query, own_index in FINDS.items():
        plan = await generic_plan(db, query)
        used = set(re.findall(r"Scan (?:Backward )?using (\w+) on job", plan))
        assert used <= own_index | {"job_pkey"}, f"{query}: {plan}"
        assert "Seq Scan on job" not in plan, f"{query}: {plan}"
        assert "Join Filter" not in plan, f"{query}: {plan}"  # each row with each
        for scan in re.split(r"Index (?:Only )?Scan using job_pkey", plan)[1:]:
            assert re.search(r"^[^\n]*\n\s+Index Cond: \(id (= (ANY \(ARRAY\[)?\w+\.|= \$|> \$)", scan), (
                f"{query}: {plan}"
            )
        if own_index:
            assert used >= own_index, f"{query}: {plan}"
        if query == "jobs/claim_jobs":  # from its place on, and not up to it
            assert re.search(r"Index Cond: .*ROW\(\w*\.?priority, \w*\.?id\) > ROW\(", plan), plan


@pytest.mark.parametrize(
    "limits", ["max_running = 10", "max_running_per_key = 10", "rate_per_key = '10 per second'"]
)
@pytest.mark.parametrize("state", STATES)
async def test_choice_of_rows_reads_few_pages_of_a_limited_action(
    db: Connection, state: str, limits: str
) -> None:
    await db.execute(STATES[state])
    await db.execute(
        "insert into asyncjob.action (name, handler, is_active) values ('n', '', true);"
        "insert into asyncjob.job (job_name, limit_key) select 'n', 'key ' || n % 7 from generate_series(1, 50000) as n;"
        f"update asyncjob.action set {limits}"
    )
    for name, value in ENGINE_SETTINGS.items():
        await db.execute(f"set {name} = '{value}'")
    choose = "select * from asyncjob.pick_limited('n', 10, false, '{}', null, '', '-32768'::smallint, 0)"
    await db.execute("begin")
    await db.fetch(choose)  # plans of the functions are made once for a session
    (row,) = await db.fetch(f"explain (analyze, buffers, format json) {choose}")
    await db.execute("rollback")
    plan = json.loads(row[0])[0]["Plan"]
    assert plan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < MOST_PAGES


@pytest.mark.parametrize("state", STATES)
async def test_waiting_keys_are_found_by_the_index_of_keys(db: Connection, state: str) -> None:
    await db.execute(STATES[state])
    for name, value in (ENGINE_SETTINGS | {"enable_sort": "off"}).items():
        await db.execute(f"set {name} = '{value}'")
    plan = await generic_plan(db, "inspect/list_waiting_keys")
    assert set(re.findall(r"Scan using (\w+) on job", plan)) == {"job_keyed", "job_ready"}, plan
    assert "Seq Scan on job" not in plan, plan
    assert "Join Filter" not in plan, plan


async def generic_plan(db: Connection, query: str) -> str:
    statement = load_statement(query)
    nulls = ", ".join(["null"] * len(statement.parameters))
    await db.execute(f"prepare guarded as {statement.sql}")
    rows = await db.fetch(f"explain execute guarded{f'({nulls})' if nulls else ''}")
    await db.execute("deallocate guarded")
    return "\n".join(line for (line,) in rows)


async def test_name_with_very_many_priorities_hides_no_other(db: Connection) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, priority) select 'a', n from generate_series(1, 1500) as n"
    )
    await db.execute("insert into asyncjob.job (job_name) values ('b')")
    rows = await db.fetch(load_statement("inspect/list_actions").sql)
    assert [(row["name"], row["ready"], row["oldest_ready"] > 0) for row in rows] == [
        ("a", 1500, True),
        ("b", 1, True),
    ]
