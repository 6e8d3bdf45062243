"""Programs as jobs: real processes under a real daemon."""

import json
import os
import pwd
import shlex
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.actions.catalog import load_actions
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd_handlers.command import arguments
from tests.conftest import NewDaemon
from tests.support.commands import bash, command, python, run
from tests.support.daemon import needs_root, write_config
from tests.support.jobs import Connection, executions, insert, running, set_status, settled, unowned, until

pytestmark = pytest.mark.anyio


async def test_program_reports_progress_message_and_result(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    script = f"""
        read -r params
        echo '{{"progress": 0.5, "message": "half"}}'
        until [ -e {shlex.quote(str(tmp_path / "go"))} ]; do sleep 0.02; done
        echo "a plain line"
        echo '{{"message": "all"}}'
        echo '{{"result": '"$params"'}}'"""
    daemon = start_daemon(actions={"reports": bash(script)}).ready()
    job_id = await insert(db, "reports", '{"n": [1, "two"]}')
    half = await until(db, job_id, lambda r: r["progress"] == 0.5)
    assert half["progress_message"] == "half"
    (tmp_path / "go").touch()
    job = await settled(db, job_id)
    assert (job["status"], job["message"]) == ("Completed", "all")
    assert json.loads(job["result"]) == {"n": [1, "two"]}
    daemon.wait_for("job.completed", job_id=job_id)
    assert [line["line"] for line in daemon.events("command.output", job_id=job_id)] == ["a plain line"]


async def test_program_knows_its_job_and_nothing_of_the_daemons_environment(
    db: Connection, start_daemon: NewDaemon
) -> None:
    options = {"environment": {"GIVEN": "by config"}, "inherit": ["NAMED", "NOT_THERE"]}
    action = bash(
        """env | python3 -c 'import json, sys; print(json.dumps({"result": sys.stdin.read()}))'""", **options
    )
    environment = {"SECRET": "of the daemon", "NAMED": "in the config"}
    start_daemon(actions={"env": action}, environment=environment).ready()
    job = await run(db, "env")
    found = dict(line.split("=", 1) for line in json.loads(job["result"]).splitlines())
    expected = {"PATH", "LANG", "HOME", "USER", "LOGNAME", "GIVEN", "NAMED", "PWD", "SHLVL", "_", "ASYNCJOBD_JOB_ID",
                "ASYNCJOBD_JOB_NAME", "ASYNCJOBD_EXECUTION_COUNT", "ASYNCJOBD_EXECUTION_TOTAL",
                "ASYNCJOBD_MAX_EXECUTION_COUNT"}  # fmt: skip
    assert found.keys() == expected
    assert found["ASYNCJOBD_JOB_ID"] == str(job["id"])
    assert (found["ASYNCJOBD_JOB_NAME"], found["ASYNCJOBD_EXECUTION_COUNT"]) == ("env", "1")
    assert (found["GIVEN"], found["NAMED"], found["PWD"]) == ("by config", "in the config", "/")


async def test_program_has_no_descriptor_of_the_daemon(db: Connection, start_daemon: NewDaemon) -> None:
    lists = "import json, os; print(json.dumps({'result': sorted(map(int, os.listdir('/proc/self/fd')))}))"
    start_daemon(actions={"lists": python(lists)}).ready()
    assert json.loads((await run(db, "lists"))["result"]) == [0, 1, 2, 3]  # the last is its own


async def test_script_can_open_its_streams_by_name(db: Connection, start_daemon: NewDaemon) -> None:
    script = (
        """cat /dev/stdin > /dev/null; echo '{"result": 1}' > /dev/stdout; echo why > /dev/stderr; exit 3"""
    )
    start_daemon(actions={"opens": bash(script)}).ready()
    job = await run(db, "opens")
    assert (job["message"], job["result"]) == ("exited with 3: why", "1")


async def test_exit_code_decides_and_stderr_says_why(db: Connection, start_daemon: NewDaemon) -> None:
    exits = 'echo "line 1" >&2; printf "the \\e[31mreason\\0" >&2; exit "$1"'
    mapped = {"exit_codes": {"3": "retry_later", "4": "success", "75": "fatal_error"}}
    actions = {"plain": bash(exits, "{params.code}"), "mapped": bash(exits, "{params.code}", **mapped)}
    daemon = start_daemon(actions=actions).ready()
    cases = [
        ("plain", 0, "success"), ("plain", 1, "failed"), ("plain", 3, "failed"), ("plain", 64, "fatal_error"),
        ("plain", 65, "fatal_error"), ("plain", 78, "fatal_error"), ("plain", 75, "retry_later"),
        ("mapped", 3, "retry_later"), ("mapped", 4, "success"), ("mapped", 75, "fatal_error"), ("mapped", 5, "failed"),
    ]  # fmt: skip
    for action, code, ends_as in cases:
        job = await run(db, action, {"code": code})
        assert (code, job["last_execution_status"]) == (code, ends_as)
        if ends_as != "success":
            assert job["message"] == f"exited with {code}: line 1\nthe \ufffd[31mreason\ufffd"
    assert daemon.wait_for("command.output", job_id=job["id"], stream="stderr")["line"] == "line 1"


async def test_reports_of_a_good_end_are_followed(db: Connection, start_daemon: NewDaemon) -> None:
    say = command("echo", "{params.line}", action={"max_execution_count": 2})
    start_daemon(actions={"say": say}).ready()
    job_id = await insert(db, "say", json.dumps({"line": '{"retry_later": "30 min", "message": "not yet"}'}))
    job = await until(db, job_id, lambda r: r["status"] == "Queued" and r["daemon_id"] is None)
    assert (job["last_execution_status"], job["message"]) == ("retry_later", "not yet")
    assert 29 * 60 < (job["due_at"] - job["now"]).total_seconds() <= 30 * 60
    recursive = await run(db, "say", {"line": '{"completed": true}'}, is_recursive="true")
    assert (recursive["status"], recursive["last_execution_status"]) == ("Completed", "completed")
    for line, reason in {
        '{"progress": "half"}': "Expected `float | null`, got `str`",
        '{"retry_later": "soon"}': '"soon" is not a duration',
        '{"retry_later": 30}': '30 has no unit: write "30 s" or "30 min"',
        '{"retry_later": "1 month"}': '"1 month": a month has no fixed length here: write days',
    }.items():
        job_id = await insert(db, "say", json.dumps({"line": line}))
        job = await until(
            db, job_id, lambda r: r["last_execution_status"] is not None and r["daemon_id"] is None
        )
        assert job["last_execution_status"] == "failed"
        assert job["message"].startswith(f"exited with 0, after a report that cannot be used: {reason}")
        assert line in job["message"]
    for line in ('{"result": 1, "other": 2}', "{}", "{", "[1]", '{"progress"', "null"):
        job = await run(db, "say", {"line": line})
        assert (job["status"], job["message"], job["result"]) == ("Completed", None, None)


async def test_result_is_stored_as_it_was_written(db: Connection, start_daemon: NewDaemon) -> None:
    actions = {"say": command("printf", "%b", "{params.line}")}
    start_daemon(actions=actions).ready()
    job = await run(db, "say", {"line": '{"result": 123456789012345678901234567890.10}'})
    assert job["result"] == "123456789012345678901234567890.10"
    job = await run(db, "say", {"line": r'{"message": "\xff"}'})
    assert job["message"].startswith(
        "exited with 0, after a report that cannot be used: 'utf-8' codec can't decode"
    )
    job = await run(db, "say", {"line": r'{"result": "\\u0000"}'})
    assert job["status"] == "Failed"  # what PostgreSQL does not take


async def test_hostile_params_are_one_argument_or_refused(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    shows = """import json, sys; print(json.dumps({"result": sys.argv[1:]}))"""
    script = tmp_path / "shows.py"
    script.write_text(shows)
    actions = {"one": python(shows, "--to={params.to}", "{}", "${HOME}"), "bare": command("python3", str(script), "{params.to}")}  # fmt: skip
    start_daemon(actions=actions).ready()
    hostile = [
        "$(touch /tmp/x); `id` && rm -rf ~ | cat > /etc/passwd", "a b\tc\n--next", "'\"\\", "*", "", "é😀", "--to=x", "{params.to}",
    ]  # fmt: skip
    for value in hostile:
        job = await run(db, "one", {"to": value})
        assert json.loads(job["result"]) == [f"--to={value}", "{}", "${HOME}"]
    for given, text in (
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        ("a-b", "a-b"),
        ("x" * 100_000, "x" * 100_000),
    ):
        assert json.loads((await run(db, "bare", {"to": given}))["result"]) == [text]
    refused = [
        ({"to": "-rf"}, "to: a value that begins with '-' would be an option"), ({"to": -5}, "would be an option"),
        ({}, "to is missing"), ([1], "to is missing"), ({"to": None}, "to: expected a text, a number or a boolean"),
        ({"to": {"a": 1}}, "expected a text"), ({"to": ["a"]}, "expected a text"),
        ({"to": "é" * 70_000}, "to: longer than 131,071 bytes"),
    ]  # fmt: skip
    for params, reason in refused:
        job = await settled(db, await insert(db, "bare", json.dumps(params)))
        assert (job["status"], job["last_execution_status"]) == ("Failed", "fatal_error")
        assert reason in job["message"]


def test_nul_is_refused_in_an_argument() -> None:
    """PostgreSQL stores none in jsonb, so no row brings one today."""
    with pytest.raises(ValueError, match="there is a NUL in it"):
        arguments.fill(["a", "{params.x}"], {"x": "a\0b"})


async def test_huge_params_reach_the_program_and_are_not_waited_for(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions={"reads": bash("""echo '{"result": '"$(wc -c)"'}'"""), "closes": bash("exec <&-; exit 0")}).ready()  # fmt: skip
    params = {"text": "x" * 5_000_000}
    assert int((await run(db, "reads", params))["result"]) > 5_000_000
    assert (await run(db, "closes", params))["status"] == "Completed"


async def test_program_that_cannot_be_started_is_told_of(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    actions = {
        "missing": command("/no/such/program"),
        "not_in_path": command("no-such-program"),
        "not_executable": command(str(tmp_path / "plain")),
        "no_interpreter": command(str(tmp_path / "lost")),
        "no_folder": command("true", working_directory="/no/such/folder"),
        "too_much": command("true", *["{params.x}"] * 40),
    }
    start_daemon(actions=actions).ready()
    for name, reason in {
        "missing": "the program '/no/such/program': No such file or directory",
        "not_in_path": "the program 'no-such-program': No such file or directory",
        "not_executable": f"the program '{tmp_path}/plain': Permission denied",
        "no_interpreter": f"the program '{tmp_path}/lost': No such file or directory",
        "no_folder": "the working directory '/no/such/folder': No such file or directory",
        "too_much": "Argument list too long",
    }.items():
        job = await run(db, name, {"x": "x" * 100_000})
        assert (job["last_execution_status"], job["message"]) == ("failed", f"cannot be started: {reason}")


async def test_any_amount_of_output_is_taken(db: Connection, start_daemon: NewDaemon) -> None:
    flood = "yes 'a line of the flood' | head -c 100000000"
    actions = {
        "stdout": bash(flood),
        "stderr": bash(f"{flood.replace('100', '20')} >&2; echo the end >&2; exit 1"),
        "endless_line": bash("head -c 100000000 /dev/zero; echo; printf '{\"result\": 1}'"),
        "endless_report": bash("printf '{'; head -c 20000000 /dev/zero | tr '\\0' x"),
        "quiet": bash("echo 1; echo 2; echo 3", largest_log=0),
        "large_result": python("print('{\"result\": \"' + 'x' * 5_000_000 + '\"}')"),
    }
    daemon = start_daemon(actions=actions).ready()
    peak = memory(daemon.pid)
    assert (await run(db, "stdout"))["status"] == "Completed"
    assert (await run(db, "stderr"))["message"].endswith("a line of the flood\nthe end")
    assert (await run(db, "endless_line"))["result"] == "1"
    assert "longer than 10,000,000 bytes: {xxx" in (await run(db, "endless_report"))["message"]
    quiet = (await run(db, "quiet"))["id"]
    daemon.wait_for("job.completed", job_id=quiet)
    assert not daemon.events("command.output", job_id=quiet)
    assert len((await run(db, "large_result"))["result"]) == 5_000_002
    assert memory(daemon.pid) - peak < 150_000_000
    assert len(daemon.events("command.silenced")) == 3
    assert daemon.log.stat().st_size < 12_000_000


def memory(pid: int) -> int:
    """Bytes at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def test_limits_hold(db: Connection, start_daemon: NewDaemon) -> None:
    eater = "x = []\nwhile True: x.append(bytearray(10_000_000))"
    actions = {
        "memory": python(eater, limits={"memory": "200 MB"}),
        "cpu": python("while True: pass", limits={"cpu_time": "1 s"}),
        "files": python("x = [open('/dev/null') for _ in range(100)]", limits={"open_files": 20}),
        "processes": bash("ulimit -u", limits={"processes": 50}),
    }
    daemon = start_daemon(actions=actions).ready()
    message = (await run(db, "memory"))["message"]
    assert message.startswith("exited with 1 (its limits: memory = 200 MB): Traceback")
    assert message.endswith("MemoryError")
    assert (await run(db, "cpu"))["message"] == "killed by SIGXCPU (its limits: cpu_time = 1 s)"
    assert "Too many open files" in (await run(db, "files"))["message"]
    limited = await run(db, "processes")
    assert daemon.wait_for("command.output", job_id=limited["id"])["line"] == "50"


@needs_root
async def test_program_runs_as_another_user(db: Connection, start_daemon: NewDaemon) -> None:
    script = """echo said > /dev/stderr || exit 7
        kill -9 $PPID && exit 8  # its keeper is the daemon's
        echo '{"result": "'"$(id -un) $(id -gn) $(id -Gn) $HOME $USER"'"}'"""
    actions = {
        "nobody": bash(script, user="nobody"),
        "grouped": bash(script, user="nobody", group="daemon"),
    }
    start_daemon(actions=actions).ready()
    home = pwd.getpwnam("nobody").pw_dir
    for action, group in (("nobody", "nogroup"), ("grouped", "daemon")):
        job = await run(db, action)
        assert job["status"] == "Completed", job["message"]
        assert json.loads(job["result"]) == f"nobody {group} {group} {home} nobody"


async def test_many_commands_at_once_end_and_leave_no_descriptor(
    db: Connection, start_daemon: NewDaemon
) -> None:
    echo = bash("""echo '{"result": '"$(cat)"'}'""")
    actions = {"echo": echo, "sleeps": command("sleep", "1000"), "missing": command("/no/such/program")}
    daemon = start_daemon(actions=actions, concurrency=200).ready()
    await run(db, "echo")
    before = descriptors(daemon.pid)
    ids = await db.fetch(
        "insert into asyncjob.job (job_name, params) select 'echo', jsonb_build_object('n', n) from generate_series(1, 200) n returning id"
    )
    for each in ids:
        job = await settled(db, each["id"])
        assert (job["status"], job["result"]) == ("Completed", job["params"])
    await run(db, "missing")
    held = await insert(db, "sleeps")
    await running(db, held)
    await set_status(db, held, "Hold")
    await unowned(db, held, "Hold")
    assert descriptors(daemon.pid) == before
    assert not Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()


def descriptors(pid: int) -> list[str]:
    """What a process has open, but for the pooled connections."""
    found = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return sorted(each.split(":")[0] for each in found)


async def test_retried_program_is_told_how_often(db: Connection, start_daemon: NewDaemon) -> None:
    script = '[ "$ASYNCJOBD_EXECUTION_COUNT" = "$ASYNCJOBD_MAX_EXECUTION_COUNT" ] || exit 3'
    action = {"max_execution_count": 3, "retry_interval": "10 ms"}
    start_daemon(actions={"third": bash(script, action=action)}).ready()
    job = await run(db, "third")
    assert (job["status"], job["execution_count"]) == ("Completed", 3)
    assert [each["message"] for each in await executions(db, job["id"])] == ["exited with 3"] * 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "argv is missing"),
        ({"argv": []}, "argv: expected the program"),
        ({"argv": ["{params.program}"]}, "would let a row choose what runs"),
        ({"argv": ["bash", "-c", "echo {params.x}"]}, "would let a row choose what runs"),
        (
            {"argv": ["/usr/bin/python3", "-I", "-c", "print('{params.x}')"]},
            "would let a row choose what runs",
        ),
        ({"argv": ["node", "--eval={params.x}"]}, "would let a row choose what runs"),
        ({"argv": ["sh", "{params.script}"]}, "would let a row choose what runs"),
        (
            {"argv": ["bash", "-euo", "pipefail", "-c", "tar c {params.x}"]},
            "would let a row choose what runs",
        ),
        ({"argv": ["timeout", "9", "bash", "-c", "echo {params.x}"]}, "would let a row choose what runs"),
        ({"argv": ["python3", "-X", "dev", "-c", "{params.x}"]}, "would let a row choose what runs"),
        ({"argv": ["gawk", "{params.x}"]}, "would let a row choose what runs"),
        ({"argv": ["echo", "{params.a b}"]}, "not of the form {params.name}"),
        ({"argv": ["echo", "{params.a.b}"]}, "not of the form {params.name}"),
        ({"argv": ["true"], "shell": True}, "shell is unknown"),
        pytest.param(
            {"argv": ["true"], "user": "no-such-user"}, "user: there is no 'no-such-user'", marks=needs_root
        ),
        pytest.param(
            {"argv": ["true"], "user": "nobody", "group": "no-such"},
            "group: there is no 'no-such'",
            marks=needs_root,
        ),
        ({"argv": ["true"], "group": "nogroup"}, "group: expected with a user"),
        ({"argv": ["true"], "working_directory": "here"}, "working_directory: 'here' is not absolute"),
        (
            {"argv": ["true"], "exit_codes": {"300": "failed"}},
            "exit_codes: '300' is not a number from 0 to 255",
        ),
        ({"argv": ["true"], "exit_codes": {"3": "retry"}}, "exit_codes[...]: invalid enum value 'retry'"),
        ({"argv": ["true"], "environment": {"A=B": ""}}, "environment: 'A=B' cannot be set"),
        ({"argv": ["true"], "limits": {"memory_mb": 1}}, "limits.memory_mb is unknown"),
        (
            {"argv": ["true"], "limits": {"memory": 1}},
            'limits.memory: 1 has no unit: write "512 MB" or "2 GB"',
        ),
        (
            {"argv": ["true"], "limits": {"cpu_time": "0.5 s"}},
            'cpu_time: "0.5 s" is too short: the shortest is 1 s',
        ),
        ({"argv": ["true"], "grace": 2}, 'grace: 2 has no unit: write "2 s" or "2 min"'),
        ({"argv": ["true"], "grace": "2 h"}, 'grace: "2 h" is too long: the longest is 1 hour'),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    action = {"handler": "asyncjobd_handlers.command:Command", "options": options}
    config = write_config(tmp_path, "", actions={"X": action})
    with pytest.raises(ConfigError) as refused:
        load_actions(load_config(config))
    assert str(refused.value).startswith(f"{config}: [actions.X.options]: ")
    assert reason in str(refused.value)


def test_only_root_can_change_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    config = write_config(tmp_path, "", actions={"X": command("true", user="nobody")})
    with pytest.raises(ConfigError, match="only a daemon that runs as root can run a program as 'nobody'"):
        load_actions(load_config(config))
