"""The page behind Debian's nginx and caddy, with the configurations of the documentation, and in another application."""

import base64
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from pwd import getpwnam

import pytest

from tests.docs.snippets import named
from tests.support.daemon import DEADLINE, DaemonProcess, needs_root
from tests.support.web import Answer, WebProcess, style_of, web_config

SOCKET = "/run/asyncjobd-web/socket"  # in the documentation
PROXY = "www-data"
ANN = {"Authorization": "Basic " + base64.b64encode(b"ann:hiccup").decode()}
HASH = "$2b$04$IDfih.j2zbSs90K1UY2hDOF36fOpADSTVAoIygranMsbOprtUcMma"  # bcrypt of her password, at its lowest cost
NGINX = """
user {user}; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {snippet}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    {snippet}
}}
"""


class Site:
    """A web server on a port of this machine."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self._port = port
        self._process = process
        deadline = time.monotonic() + DEADLINE
        while True:
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "it does not listen"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def ask(self, target: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)


@pytest.fixture(scope="module")
def page(module_dsn: str, open_folder: Path) -> Iterator[WebProcess]:
    config = web_config(
        open_folder, module_dsn, listen="", user_header="Remote-User", groups_header="Remote-Groups",
        proxy_users=[PROXY], viewers=["ann"], operators=["eve", "group:operators"],
    )  # fmt: skip
    yield WebProcess(config).ready()
    DaemonProcess.kill_all()


def nginx(folder: Path, port: int, path: Path) -> "subprocess.Popen[bytes]":
    passwords = folder / "jobs.htpasswd"
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", "hiccup"], capture_output=True, text=True, check=True
    ).stdout
    passwords.write_text(f"ann:{hashed}")
    snippet = (
        named("web-nginx").text.replace(SOCKET, str(path)).replace("/etc/nginx/jobs.htpasswd", str(passwords))
    )
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(user=PROXY, folder=folder, port=port, snippet=snippet))
    return subprocess.Popen(["setpriv", "--pdeathsig=KILL", "nginx", "-c", str(config)])


def caddy(folder: Path, port: int, path: Path) -> "subprocess.Popen[bytes]":
    config = folder / "Caddyfile"
    snippet = named("web-caddy").text.replace(SOCKET, str(path)).replace("HASH", HASH)
    config.write_text(CADDY.format(port=port, snippet=snippet))
    user = getpwnam(PROXY)
    command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    return subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command],
        env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[nginx, caddy])
def site(request: pytest.FixtureRequest, page: WebProcess, open_folder: Path) -> Iterator[Site]:
    """The page behind a proxy, at /jobs/."""
    name = request.param.__name__
    if shutil.which(name) is None:
        assert "CI" not in os.environ, f"there is no {name}"
        pytest.skip(f"there is no {name}: apt install {name}")
    folder = open_folder / name
    folder.mkdir()
    shutil.chown(folder, PROXY)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    site = Site(port, request.param(folder, port, page.path))
    yield site
    site.stop()


@needs_root
def test_page_is_behind_the_login_of_a_proxy(site: Site) -> None:
    assert site.ask("/jobs/").status == 401
    seen = site.ask("/jobs/", **ANN)
    assert seen.status == 200
    assert "ann" in seen.text
    assert not seen.may_order
    style = style_of(seen.text)
    assert style.startswith("/jobs/static/")
    assert site.ask(style, **ANN).status == 200
    assert site.ask("/jobs/jobs", **ANN).status == 200  # a page that has the name of the path
    assert site.ask("/jobs", **ANN).headers["Location"].endswith("/jobs/")


@needs_root
@pytest.mark.parametrize(
    "claim", [{"Remote_User": "eve"}, {"remote_user": "eve"}, {"Remote_Groups": "operators"}]
)
def test_browser_cannot_say_who_it_is(site: Site, claim: dict[str, str]) -> None:
    assert site.ask("/jobs/", **claim).status == 401
    seen = site.ask("/jobs/", **claim, **ANN)
    assert (seen.status, seen.may_order) == (200, False)
    assert "eve" not in seen.text.partition("</header>")[0]


@needs_root
def test_orders_come_from_pages_of_the_site(site: Site) -> None:
    ours = {**ANN, "Sec_Fetch_Site": "same-origin"}
    origin = f"http://127.0.0.1:{site._port}"
    for headers in (ours, {**ANN, "Origin": origin}):
        assert "You may look, but not order" in site.ask("/jobs/jobs/1/cancel", "POST", **headers).text
    for headers in ({**ANN, "Origin": "http://evil.example"}, {**ANN, "Sec_Fetch_Site": "cross-site"}, ANN):
        assert "not come from a page of this site" in site.ask("/jobs/jobs/1/cancel", "POST", **headers).text


def test_page_is_a_part_of_another_application(module_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "site_.py").write_text(named("web-mounted").text)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--log-level=error", f"--port={port}", "site_:app"],
        cwd=tmp_path, env={**os.environ, "DATABASE_URL": module_dsn},
    )  # fmt: skip
    site = Site(port, process)
    assert site.ask("/jobs/").status == 403
    looks, orders = site.ask("/jobs/", x_user="bob"), site.ask("/jobs/", x_user="ann")
    assert (looks.status, looks.may_order, orders.may_order) == (200, False, True)
    assert 'href="/jobs/static/' in looks.text
    assert looks.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert site.ask("/jobs/jobs/1/cancel", "POST", x_user="ann", Origin="http://evil.example").status == 403
    site.stop()
