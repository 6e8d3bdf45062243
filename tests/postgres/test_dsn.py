"""A dsn as providers show it, with libpq's keys or keywords, is accepted or refused by the key's name."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from asyncjobd.config.errors import ConfigError
from asyncjobd.postgres.dsn import (
    CONNECT_SECONDS,
    MAX_CONNECT_SECONDS,
    ConnectArguments,
    connect_arguments_by_host,
    hide_password,
    normalize_dsn,
    socket_of,
    target_database,
)
from tests.support.daemon import asyncjobd

HARMLESS = (
    "application_name=shop&fallback_application_name=x&client_encoding=UTF8&keepalives=1&keepalives_idle=30"
    "&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=1000&gssencmode=disable&channel_binding=prefer"
    "&sslcompression=0&sslsni=1&sslcertmode=allow&load_balance_hosts=disable&pgbouncer=true&max_protocol_version=3.2"
)


def test_keys_of_libpq_that_ask_for_nothing_are_taken(dsn: str) -> None:
    for more in (f"&{HARMLESS}&connect_timeout=10&options=-c%20geqo%3Doff", ""):
        listed = asyncjobd("--dsn", dsn + more, "list")
        assert (listed.returncode, listed.stderr) == (0, "")
    (way,) = connect_arguments_by_host(
        f"postgresql://a:b@host/db?{HARMLESS}&sslmode=require&options=-c%20geqo%3Doff"
    )
    assert way == ConnectArguments("postgresql://a:b@host/db?sslmode=require&options=-c%20geqo%3Doff")


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("channel_binding", "require", "remove it; sslmode=verify-full verifies the server"),
        ("gssencmode", "require", "remove it"),
        ("requirepeer", "hunter2", "remove it"),
        ("scram_client_key", "hunter2", "remove it"),
        ("hostaddr", "10.0.0.1", "write the address as the host"),
        ("require_auth", "scram-sha-256", "remove it"),
        ("sslsni", "0", "remove it"),
    ],
)
def test_key_that_asks_for_what_cannot_be_done_is_refused_by_its_name(
    key: str, value: str, advice: str
) -> None:
    done = asyncjobd("--dsn", f"postgresql://127.0.0.1:1/db?{key}={value}", "list")
    assert done.returncode == 78
    assert done.stderr == f"Error: [database] dsn: {key}: this value is not supported: {advice}\n"


@pytest.mark.parametrize("query", ["sslmode", "sslmode=require&", "&sslmode=require", "port=x", "host=a,,b"])
def test_query_that_cannot_be_read_is_refused_without_a_traceback(query: str) -> None:
    done = asyncjobd("--dsn", f"postgresql://127.0.0.1:1/db?{query}", "list")
    assert done.returncode == 78
    assert "expected postgresql://" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("10", 10), ("600", MAX_CONNECT_SECONDS), ("0", CONNECT_SECONDS), ("-1", CONNECT_SECONDS)],
)
def test_connect_timeout_is_heeded(given: str, seconds: float) -> None:
    assert [
        way.timeout for way in connect_arguments_by_host(f"postgresql://a,b/db?connect_timeout={given}")
    ] == [seconds, seconds]
    with pytest.raises(ConfigError, match="connect_timeout: expected a number of seconds"):
        normalize_dsn("postgresql://a/db?connect_timeout=soon")


def test_certificates_of_the_system_are_trusted_and_nothing_weaker() -> None:
    assert connect_arguments_by_host("postgresql://a/db?sslmode=verify-full&sslrootcert=system") == [
        ConnectArguments("postgresql://a/db", ssl=True)
    ]
    with pytest.raises(ConfigError, match="sslrootcert=system: expected sslmode=verify-full"):
        normalize_dsn("postgresql://a/db?sslmode=require&sslrootcert=system")


@pytest.mark.parametrize(
    ("keywords", "uri"),
    [
        ("host=localhost dbname=jobs", "postgresql://localhost/jobs"),
        (
            r"user = me password='a\'b @/:' host=localhost port=5433",
            "postgresql://me:a%27b%20%40%2F%3A@localhost:5433/",
        ),
        ("host=a,b port=1,2 dbname='x y' sslmode=require", "postgresql://a:1,b:2/x%20y?sslmode=require"),
        ("host=a,b port=1 dbname=x", "postgresql://a:1,b:1/x"),
        ("host=/var/run/postgresql dbname=jobs", "postgresql://%2Fvar%2Frun%2Fpostgresql/jobs"),
        ("host=::1 dbname=jobs", "postgresql://[::1]/jobs"),
        ("dbname=jobs port=5433", "postgresql:///jobs?port=5433"),
        ("service=jobs", "postgresql:///?service=jobs"),
    ],
)
def test_keywords_are_taken_as_their_uri(keywords: str, uri: str) -> None:
    assert normalize_dsn(keywords) == uri
    assert normalize_dsn(uri) == uri


def test_keywords_reach_the_database_and_show_no_password(dsn: str) -> None:
    host, name = parse_qs(urlsplit(dsn).query)["host"][0], urlsplit(dsn).path[1:]
    keywords = f"host={host} user=postgres password='hunter2' dbname={name} connect_timeout=10 keepalives=1"
    assert asyncjobd("--dsn", keywords, "enqueue", "succeed").returncode == 0
    away = asyncjobd("--dsn", "host=127.0.0.1 port=1 user=me password=hunter2", "list")
    assert (away.returncode, "postgresql://me:***@127.0.0.1:1/" in away.stderr) == (69, True)
    assert "hunter2" not in away.stderr
    with pytest.raises(ConfigError, match="port: expected one port, or one for each of 3 hosts"):
        normalize_dsn("host=a,b,c port=1,2 password=hunter2")


def test_place_of_a_dsn_is_the_same_whoever_logs_in() -> None:
    here = target_database("postgresql://a:1@host/db?sslmode=require")
    assert (
        here
        == target_database("postgresql://b:2@host/db?passfile=x")
        != target_database("postgresql://a:1@host/other")
    )
    assert target_database("postgresql://a@host") != target_database("postgresql://b@host")
    assert hide_password("postgresql://a:1@host/db?password=2") == "postgresql://a:***@host/db"


@pytest.mark.parametrize(
    ("dsn", "path"),
    [
        ("postgresql:///jobs?host=/run/pg", "/run/pg/.s.PGSQL.5432"),
        ("postgresql://me@/jobs?host=/run/pg&port=6432", "/run/pg/.s.PGSQL.6432"),
        ("postgresql://me:secret@%2Frun%2Fpg:6432/jobs", "/run/pg/.s.PGSQL.6432"),
        ("postgresql://localhost/jobs", None),
        ("postgresql:///jobs", None),
    ],
)
def test_path_of_a_socket(dsn: str, path: str | None) -> None:
    assert socket_of(dsn) == path


def test_socket_that_is_not_there_is_said_with_its_path(tmp_path: Path) -> None:
    done = asyncjobd("--dsn", f"postgresql:///jobs?host={tmp_path}", "list")
    assert done.returncode == 69
    assert done.stderr == (
        f"Error: no database at postgresql:///jobs?host={tmp_path}: no server listens at {tmp_path}/.s.PGSQL.5432: it is"
        " not running, or its socket is elsewhere\n"
    )
