"""[web] is checked: each mistake would let somebody in, or nobody."""

from pathlib import Path

import pytest

from asyncjobd.config.errors import ConfigError
from asyncjobd.config.load import load_config
from asyncjobd.config.web import WebConfig


def loaded(folder: Path, text: str) -> WebConfig:
    path = folder / "config.toml"
    path.write_text(f"[web]\n{text}")
    return load_config(path).web


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("listen = '8642'", ' listen: "8642" is not host:port, such as "127.0.0.1:8642"'),
        ("listen = '127.0.0.1:65536'", " listen: "),
        ("hosts = ['https://jobs.example.com']", ' hosts: "https://jobs.example.com" is not the name of a host'),
        ("hosts = ['jobs.example.com:443']", " hosts: "),
        ("hosts = ['*']", " hosts: "),
        ("user_header = 'Remote-User'", ' user_header: nobody may send it: add proxy_users, such as ["www-data"]'),
        ("proxy_users = ['caddy']", " proxy_users: they name nobody: add user_header"),
        ("user_header = 'Remote_User'\nproxy_users = ['caddy']", ' user_header: "Remote_User" is not a header'),
        ("user_header = 'Host'\nproxy_users = ['caddy']", ' user_header: "Host" is not a header that names somebody'),
        ("user_header = 'Remote-User'\nproxy_users = ['*']", " proxy_users: everybody could pretend to be anybody"),
        ("groups_header = 'Remote-Groups'", " groups_header: without a user there are no groups"),
        ("viewers = ['']", " viewers: one of the names is empty"),
        ("operators = ['group:']", " operators: one of the names is empty"),
        ("viewers = 'ann'", ' viewers: "ann": expected a list of texts'),
        ("viewer = ['ann']", ": unknown key 'viewer'; did you mean 'viewers'?"),
    ],
)  # fmt: skip
def test_mistake_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)
    assert f"{tmp_path}/config.toml: [web]{problem}" in str(refused.value)


@pytest.mark.parametrize("host", ["jobs.example.com", "jobs", "192.0.2.1", "[2001:db8::7]", "a_b"])
def test_hosts(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, f"hosts = ['{host}']").hosts == (host,)


@pytest.mark.parametrize(
    ("listen", "address"), [("", None), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8642", ("::1", 8642))]
)
def test_address(tmp_path: Path, listen: str, address: tuple[str, int] | None) -> None:
    assert loaded(tmp_path, f"listen = '{listen}'").address == address


def test_nobody_may_do_anything_by_default() -> None:
    web = WebConfig()
    assert (web.viewers, web.operators, web.proxy_users) == ((), (), ())
    assert web.address == ("127.0.0.1", 8642)
