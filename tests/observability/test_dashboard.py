"""The Grafana dashboard: each panel can be drawn, and says what it shows.

No Grafana can be had here to load it. Its JSON fits the type Dashboard of @grafana/schema (npm, 13.2) by `tsc --strict`.
"""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.support.prometheus import needs_prometheus

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "systemd" / "grafana-dashboard.json").read_text()
)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
COLUMNS = 24  # of a dashboard
UNITS = {"s", "ops", "short"}  # of Grafana's list


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_has_a_description_a_unit_and_queries(panel: dict[str, Any]) -> None:
    assert panel["type"] == "timeseries"
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(references) == len(set(references))
    assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


def test_panels_do_not_lie_on_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    for one, other in combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert is_beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_variables_are_those_of_the_dashboard() -> None:
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) <= known | {"__all"}


@needs_prometheus
def test_prometheus_understands_each_query(tmp_path: Path) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    plain = [re.sub(r"\$\w+", ".*", expr.replace("$__rate_interval", "5m")) for expr in expressions]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(plain)]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    ran = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
