"""`asyncjobd demo --web` serves the page of its own jobs."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.daemon import DEADLINE


@pytest.fixture
def demo(dsn: str, tmp_path: Path) -> "subprocess.Popen[str]":
    (tmp_path / "files").mkdir()
    for number in range(3):
        (tmp_path / "files" / f"{number}.txt").write_text("text")
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\ndsn = "{dsn}"\n')
    command = [
        sys.executable,
        "-m",
        "asyncjobd",
        "--config",
        str(config),
        "demo",
        str(tmp_path / "files"),
        "--web",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_demo_opens_on_a_link_to_its_own_rows(demo: "subprocess.Popen[str]") -> None:
    assert demo.stdout is not None
    try:
        link = next(match[0] for line in demo.stdout if (match := re.search(r"http://\S+", line)))
        for line in demo.stdout:
            if "press Ctrl-C" in line:
                break
        with httpx.Client(follow_redirects=True, timeout=DEADLINE) as client:
            base, _, token = link.partition("/login?token=")
            opened = client.post(f"{base}/login", data={"token": token}, headers={"Origin": base})
            assert "ALL WELL" in opened.text or "TROUBLE" in opened.text
            assert "DemoFolder" in client.get(f"{base}/jobs").text
        demo.send_signal(signal.SIGINT)
        assert demo.wait(DEADLINE) == 0
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
