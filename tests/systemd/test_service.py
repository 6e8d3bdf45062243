"""The unit, installed by the documentation's own commands on a real systemd."""

from collections.abc import Iterator

import pytest

from tests.docs.snippets import named
from tests.systemd.container import is_possible
from tests.systemd.service import Service

pytestmark = pytest.mark.skipif(not is_possible(), reason="needs root and Debian's systemd-container")

UNIT = "/opt/asyncjobd/bin/asyncjobd unit"
TEMPLATE = "/etc/systemd/system/asyncjobd@.service"


@pytest.fixture
def impatient(service: Service) -> Iterator[Service]:
    """The service with a watchdog of 3 s."""
    with service.restarted_with("WatchdogSec=3"):
        yield service


def test_service_is_ready_and_runs_a_job(service: Service) -> None:
    assert (service.shown("ActiveState"), service.shown("User")) == ("active", "asyncjobd")
    assert "running 0/100" in service.shown("StatusText")
    assert service.greeted() == "hello, you"
    assert "reception only permitted for main PID" not in service.log()  # the server is not the unit


def test_demo_runs_from_the_wheel_alone(service: Service) -> None:
    service.run("install -d -o games /srv/games; echo one > /srv/games/one.txt")
    demo = "env HOME=/srv/games /opt/asyncjobd/bin/asyncjobd demo /srv/games"
    assert "1 file Completed, 0 Failed" in service.run(f"cd /; runuser -u games -- {demo}")


def test_wheels_that_were_carried_over_are_all_that_pip_needs(service: Service) -> None:
    unpack, _, install = named("air-gapped-install").text.splitlines()
    service.run(f"cd /srv/carried; rm -r wheels; {unpack}; {install} --dry-run --ignore-installed")


def test_journal_finds_the_lines_of_a_job(service: Service) -> None:
    job_id = service.insert("Greeting", '{"to": "you"}')
    service.settled(job_id)
    service.wait_for("job.completed", job_id=job_id)
    found = service.run(f"journalctl ASYNCJOBD_JOB_ID={job_id} -o cat --no-pager").splitlines()
    assert found and all(f"job_id={job_id} " in f"{line} " for line in found)


def test_program_runs_inside_the_sandbox(service: Service) -> None:
    job_id = service.insert("Command", '{"to": "you"}')
    assert service.settled(job_id)["last_execution_status"] == "completed"
    service.wait_for("command.output", job_id=job_id, stream="stdout", line="1")


def test_reload_takes_up_a_new_action_in_the_same_process(service: Service) -> None:
    before = service.shown("MainPID")
    job_id = service.insert("Later", '{"to": "you"}')
    service.run("echo 'handler = \"asyncjobd_handlers.demo:greet\"' > /etc/asyncjobd/actions.d/Later.toml")
    service.run("systemctl reload asyncjobd")
    assert service.settled(job_id)["message"] == "hello, you"
    assert service.shown("MainPID") == before


def test_reload_of_a_wrong_file_fails_says_why_and_changes_nothing(service: Service) -> None:
    before = service.shown("MainPID")
    service.run("echo 'handlr = 1' > /etc/asyncjobd/actions.d/Wrong.toml")
    assert service.machine.run("systemctl reload asyncjobd").returncode != 0
    assert "Error: /etc/asyncjobd/actions.d/Wrong.toml: unknown key 'handlr'" in service.log()
    assert service.greeted() == "hello, you"
    assert (service.shown("MainPID"), service.shown("ActiveState")) == (before, "active")
    service.run("rm /etc/asyncjobd/actions.d/Wrong.toml; systemctl reload asyncjobd")


def test_isolated_handler_has_its_limit_under_the_units_filter(service: Service) -> None:
    assert service.settled(service.insert("Eat", '{"megabytes": 1}'))["status"] == "Completed"
    row = service.settled(service.insert("Eat", '{"megabytes": 200}'))
    assert row["message"] == "the handler needed more than its memory_limit of 128 MB"


def test_job_of_a_killed_daemon_is_run_again_by_the_next(service: Service) -> None:
    job_id = service.insert("Hang")
    service.running(job_id)
    service.run(f"kill -9 {service.shown('MainPID')}")
    row = service.settled(job_id)
    assert (row["status"], row["execution_count"]) == ("Completed", 2)
    service.wait_for("job.rescued", job_id=job_id)


def test_handler_that_blocks_the_loop_for_good_is_ended_by_the_watchdog(impatient: Service) -> None:
    job_id = impatient.insert("Block")
    row = impatient.settled(job_id)
    assert (row["status"], row["execution_count"]) == ("Completed", 2)
    assert impatient.shown("NRestarts") == "1"
    assert "Watchdog timeout" in impatient.log()
    assert "service_handlers.py" in impatient.log() and "in blocks_loop" in impatient.log()


def test_stop_waits_for_a_job_longer_than_systemds_timeout_and_ends_its_server(
    service: Service,
) -> None:
    service.set("TimeoutStopSec=3")
    job_id = service.insert("Nap", '{"seconds": 10}')
    service.running(job_id)
    service.run("systemctl stop asyncjobd")
    assert (service.shown("ActiveState"), service.shown("Result")) == ("inactive", "success")
    assert service.run("pgrep -u asyncjobd postgres || true") == ""
    service.set()
    service.run("systemctl start asyncjobd")
    row = service.row(job_id)
    assert (row["status"], row["execution_count"]) == ("Completed", 1)


def test_wrong_configuration_is_not_restarted_in_a_loop(service: Service) -> None:
    service.run(
        "echo 'handlr = 1' > /etc/asyncjobd/actions.d/Wrong.toml; systemctl restart asyncjobd || true"
    )
    assert (service.shown("ActiveState"), service.shown("ExecMainStatus")) == ("failed", "78")
    assert "did you mean 'handler'?" in service.log()
    service.run("rm /etc/asyncjobd/actions.d/Wrong.toml; systemctl restart asyncjobd")
    assert service.shown("ActiveState") == "active"


def test_daemon_of_another_user_is_not_taken_for_dead(service: Service) -> None:
    service.run(
        "sed 's/^Hang/Root/; s/lease = .3 s./lease = \"60 s\"/' /etc/asyncjobd/config.toml > /etc/asyncjobd/of_root.toml"
    )
    of_root = "/opt/asyncjobd/bin/asyncjobd --config /etc/asyncjobd/of_root.toml"
    # ProtectProc= of any kind gives it the unit's view of the boot id, over which nspawn puts one of its own
    service.run(
        f"systemd-run -q --unit=of-root -p Type=notify -p ProtectProc=ptraceable {of_root} --dsn '{service.dsn}' run"
    )
    job_id = service.insert("Root")
    service.running(job_id)
    service.restart()
    beat = f"select heartbeat from asyncjob.daemon where pid = {service.shown('MainPID')}"
    service.until("it has looked at the others", lambda: int(service.sql(beat)) >= 2)
    assert service.row(job_id)["execution_total"] == 1
    assert not service.events("job.rescued", job_id=job_id)
    service.run("systemctl kill --signal=KILL of-root")


def test_instance_runs_beside_the_plain_unit(service: Service) -> None:
    service.run("mkdir /etc/asyncjobd@blue; cp -r /etc/asyncjobd/actions.d /etc/asyncjobd@blue/")
    service.run(named("systemd-instance").text)
    blue = Service(service.machine, "asyncjobd@blue")
    assert blue.wait_for("daemon.ready")["ASYNCJOBD_NAME"] == "blue"
    assert blue.settled(blue.insert("Later", '{"to": "blue"}'))["message"] == "hello, blue"
    assert service.greeted() == "hello, you"
    blue.run(f"{UNIT} blue --remove; rm -r /etc/asyncjobd@blue")


def left(service: Service) -> set[str]:
    """Return what installations have left in the container."""
    return service.machine.changed("/etc", "/opt", "/usr", "/root") | set(
        service.run("ls -d /var/lib/*").split()
    )


def test_instance_is_installed_by_a_command_and_removed_without_a_trace(service: Service) -> None:
    before = left(service)
    green = Service(service.machine, "asyncjobd@green")
    assert green.run(f"umask 077; {UNIT} green --install --now").splitlines() == [
        "wrote /etc/asyncjobd@green/config.toml",
        f"wrote {TEMPLATE}",
        "started asyncjobd@green; `systemctl status asyncjobd@green` shows what it does",
    ]
    assert (green.shown("ActiveState"), green.shown("UnitFileState")) == ("active", "enabled")
    assert green.exposure() <= 1.2
    add = named("systemd-action").text.replace(" action", " --config /etc/asyncjobd@green/config.toml action")
    green.run(add)
    assert green.greeted() == "hello, you"
    *told, data = green.run(f"rm -r /etc/asyncjobd@green/actions.d; {UNIT} green --remove").splitlines()
    assert told == [
        "stopped asyncjobd@green",
        f"removed {TEMPLATE}",
        "removed /etc/asyncjobd@green/config.toml",
        "removed /etc/asyncjobd@green",
    ]
    green.run(
        data.removeprefix("kept the data of its embedded server, if it had one: ").removesuffix(" deletes it")
    )
    assert green.shown("LoadState") == "not-found"
    assert left(service) == before
    assert green.run(f"{UNIT} green --remove").startswith("neither")


def test_remove_keeps_what_is_not_its_own_and_install_takes_it_up_again(service: Service) -> None:
    job_id = service.insert("Greeting", '{"to": "you"}')
    service.settled(job_id)
    remove = named("systemd-remove").text.splitlines()[0]
    told = service.run(f"mkdir -p /etc/systemd/system/asyncjobd.service.d; {remove}").splitlines()
    assert told[:3] == [
        "stopped asyncjobd",
        "removed /etc/systemd/system/asyncjobd.service",
        "kept /etc/systemd/system/asyncjobd.service.d: it is not from `asyncjobd unit`",
    ]
    assert told[3] == "kept /etc/asyncjobd/config.toml: it is not as this version writes it"
    assert service.run(f"{UNIT} --install --now").startswith("kept /etc/asyncjobd/config.toml\n")
    assert service.row(job_id)["status"] == "Completed"


def test_unit_that_somebody_changed_or_others_use_is_left_as_it_is(service: Service) -> None:
    service.run(f"{UNIT} red --install; {UNIT} green --install")
    assert f"kept {TEMPLATE} for asyncjobd@green and asyncjobd@red" in service.run(f"{UNIT} typo --remove")
    service.run("systemctl enable asyncjobd@green")
    service.run("echo 'wrong' >> /etc/asyncjobd@red/config.toml; ! systemctl start asyncjobd@red")
    assert "asyncjobd@red" in service.run("systemctl --failed")
    assert f"kept {TEMPLATE} for asyncjobd@green" in service.run(f"{UNIT} red --remove")
    assert "asyncjobd@red" not in service.run("rm -r /etc/asyncjobd@red; systemctl --failed")
    service.run(f"echo '# mine' >> {TEMPLATE}")
    assert f"{TEMPLATE} was changed" in service.machine.run(f"{UNIT} green --install").stderr
    assert f"kept {TEMPLATE}: it was changed" in service.run(f"{UNIT} green --remove")
    service.run(f"rm {TEMPLATE}; systemctl daemon-reload")


def test_installation_must_be_where_the_sandbox_shows_it(service: Service) -> None:
    for folder in ("/root/venv", "/srv/venv"):
        service.run(
            f"/usr/bin/python3 -m venv --without-pip {folder}; cp /opt/asyncjobd/bin/asyncjobd {folder}/bin\n"
            f"ls -d /opt/asyncjobd/lib/*/site-packages > $(ls -d {folder}/lib/*/site-packages)/here.pth"
        )
    install = "bin/python -m asyncjobd unit green --install"
    hidden = service.machine.run(f"/root/venv/{install}").stderr
    assert "is below /root, which the unit's ProtectHome= hides: install asyncjobd elsewhere" in hidden
    assert "only root" in service.machine.run(f"runuser -u games -- {UNIT} --remove").stderr
    closed = service.machine.run(f"chmod 700 /srv/venv; /srv/venv/{install}").stderr
    assert "/srv/venv has the mode drwx------" in closed
    service.run(f"chmod 755 /srv/venv; {UNIT} green --install; /srv/venv/{install}")  # of another version
    assert service.run(f"grep -c 'ExecStart=/srv/venv/bin/asyncjobd ' {TEMPLATE}") == "1"
    assert f"removed {TEMPLATE}" in service.run(f"{UNIT} green --remove; rm -r /root/venv /srv/venv")


def test_handlers_get_more_by_a_drop_in(service: Service) -> None:
    service.run(
        "groupadd reports; install -d -g reports -m 2775 /srv/reports; install -d /home/ann; touch /home/ann/data"
    )
    params = '{"file": "/srv/reports/new", "reads": "/home/ann"}'
    _, *settings = named("systemd-drop-in").text.splitlines()
    with service.restarted_with(*settings):
        assert service.settled(service.insert("Write", params))["message"] == "/home/ann/data"
    assert service.run("cat /srv/reports/new") == "written"
    refused = service.insert("Write", params)
    service.until("it is refused", lambda: "Read-only file system" in (service.row(refused)["message"] or ""))


def test_exposure_is_low_and_all_but_none_without_the_network(service: Service) -> None:
    assert service.run("systemd-analyze verify asyncjobd.service 2>&1") == ""
    assert service.exposure() <= 1.2
    service.run("cd /srv/asyncjobd\n" + named("systemd-socket-only").text)
    assert service.exposure() <= 0.5
    assert service.greeted() == "hello, you"


def test_peer_authentication_works_inside_the_sandbox(jobs: Service) -> None:
    assert jobs.greeted() == "hello, you"
    assert jobs.wait_for("daemon.ready")["ASYNCJOBD_DATABASE"] == jobs.dsn
    users = jobs.sql(
        "select distinct usename from pg_stat_activity where application_name like 'asyncjobd %'"
    )
    assert users == "asyncjobd"
    job_id = jobs.sql(
        "set role asyncjob_producer; insert into asyncjob.job (job_name, params)"
        " values ('Greeting', '{\"to\": \"producer\"}') returning id"
    )
    assert jobs.settled(int(job_id.split()[-1]))["message"] == "hello, producer"


def test_page_knows_who_is_at_its_socket(web: Service) -> None:
    assert (web.shown("ActiveState"), web.shown("User")) == ("active", "asyncjobd-web")
    ask = "curl -s -o /dev/null -w '%{http_code} ' --unix-socket /run/asyncjobd-web/socket http://localhost/"
    asked = "; ".join(f"runuser -u {user} -- {ask}" for user in ("root", "games", "bin", "nobody"))
    assert web.run(asked).split() == ["200", "200", "403", "403"]
    assert web.run(f"unshare --user --map-root-user {ask}") == "200"  # the kernel tells who that is outside


def test_link_of_the_page_is_for_who_asks(web: Service) -> None:
    command = "/opt/asyncjobd/bin/asyncjobd web link"
    for user in ("root", "games"):
        link = web.run(f"runuser -u {user} -- {command}")
        opened = web.run(f"curl -s -H 'Accept: text/html' '{link}'")
        assert f"<b>{user}</b>" in opened
    refused = web.machine.run(f"runuser -u bin -- {command}")
    assert "bin may not look: [web] viewers and operators name who may" in refused.stderr


def test_page_needs_little(web: Service) -> None:
    assert web.run("systemd-analyze verify asyncjobd-web.service 2>&1") == ""
    assert web.exposure() <= 1.2
    peak = web.run(f"grep VmHWM /proc/{web.shown('MainPID')}/status").split()[1]
    assert int(peak) / 1024 < 60  # MiB


def test_page_restarts_with_its_sessions_and_stops_at_once(web: Service) -> None:
    key = "stat -c '%a %U' /var/lib/private/asyncjobd-web/key; sha256sum /var/lib/private/asyncjobd-web/key"
    before = web.run(key)
    assert before.startswith("600 asyncjobd-web")
    web.run("timeout 5 systemctl restart asyncjobd-web")
    assert web.run(key) == before
    web.run("timeout 5 systemctl stop asyncjobd-web")
    assert (web.shown("ActiveState"), web.shown("Result")) == ("inactive", "success")


def test_page_behind_a_proxy_needs_no_network(web: Service) -> None:
    web.run("sed -i 's/^viewers/listen = \"\"\\nviewers/' /etc/asyncjobd/config.toml")
    web.run("cd /srv/asyncjobd\n" + named("web-socket-only").text)
    assert web.exposure() <= 0.5
    assert (
        web.run("curl -s --unix-socket /run/asyncjobd-web/socket http://localhost/ | grep -c '<h1>'") == "1"
    )
    web.run("systemctl disable --now asyncjobd-web")


def test_outage_longer_than_the_watchdog_restarts_nothing(jobs: Service) -> None:
    server = "runuser -u postgres -- $(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)/pg_ctl -D /var/lib/postgresql/jobs"
    with jobs.restarted_with("WatchdogSec=3"):
        before = jobs.shown("MainPID")
        jobs.run(f"{server} -w stop; sleep 4; {server} -l /var/lib/postgresql/jobs.log -w start")
        assert jobs.greeted() == "hello, you"
        assert (jobs.shown("NRestarts"), jobs.shown("MainPID")) == ("0", before)
        assert jobs.events("database.away")


def test_password_comes_as_a_credential_and_is_shown_nowhere(jobs: Service) -> None:
    jobs.sql("alter role asyncjobd password 'confidential'")
    jobs.run(
        "rm -f /etc/systemd/system/asyncjobd.service.d/socket-only.conf; systemctl daemon-reload\n"
        "echo postgresql://asyncjobd:confidential@127.0.0.1/jobs > /etc/credstore/asyncjobd.dsn"
    )
    jobs.restart()
    assert jobs.greeted() == "hello, you"
    assert (
        jobs.sql("select client_addr from pg_stat_activity where application_name = 'asyncjobd claimer'")
        == "127.0.0.1"
    )
    assert "confidential" not in jobs.run(
        "journalctl --no-pager -o export; systemctl show asyncjobd; cat /proc/$(systemctl show -P MainPID asyncjobd)/environ"
    )
