"""A real Prometheus, which looks at daemons five times a second."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from tests.support.daemon import DEADLINE

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus: apt install prometheus"
)

CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [rules.yaml]
scrape_configs: [{job_name: asyncjobd, static_configs: [{targets: %s}]}]
"""


class Prometheus:
    def __init__(self, folder: Path, port: int, targets: Sequence[str], rules: str) -> None:
        """Start it. It scrapes the targets (host:port), and alerts by these rules."""
        (folder / "prometheus.yaml").write_text(CONFIG % json.dumps([*targets]))
        (folder / "rules.yaml").write_text(rules)
        self._api = f"http://127.0.0.1:{port}/api/v1"
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig=KILL", "prometheus", f"--config.file={folder}/prometheus.yaml",
                    f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for(self, expression: str) -> None:
        """Wait until a query has an answer."""
        self._until(lambda: self._get(f"query?query={quote(expression)}")["result"], expression)

    def wait_for_alerts(self, *names: str) -> None:
        """Wait until all of these alerts fire."""
        self._until(lambda: {*names} <= self._firing(), names)

    def rules(self) -> list[dict[str, Any]]:
        """Return the alerts that it knows, with their labels and annotations."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _firing(self) -> set[str]:
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _until(self, is_so: Callable[[], object], what: object) -> None:
        deadline = time.monotonic() + 2 * DEADLINE  # daemons look at the queue every 5 s
        while not is_so():
            assert time.monotonic() < deadline, (what, self._firing(), self._log.read_text()[-2000:])
            time.sleep(0.1)

    def _get(self, path: str) -> dict[str, Any]:
        """Return what it answers. It takes no connections in the moment of its start."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                with urlopen(f"{self._api}/{path}", timeout=DEADLINE) as answer:
                    found: dict[str, Any] = json.load(answer)["data"]
                    return found
            except URLError:
                assert time.monotonic() < deadline, self._log.read_text()[-2000:]
                time.sleep(0.05)
