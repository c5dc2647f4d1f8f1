"""docs/exports.md and the dashboard name what a run really tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
SOURCE = Path(__file__).parents[3] / "simfleet" / "load" / "exports" / "families.py"


def documented() -> set[str]:
    return set(re.findall(r"^\| `(simfleet_run_\w+)`", (DOCS / "exports.md").read_text(), re.M))


def test_every_figure_of_the_table_is_in_the_code_and_the_other_way_round() -> None:
    source = SOURCE.read_text()
    names = re.findall(r'(?:_gauge|_counters?)\(\s*"(\w+)"|PREFIX \+ "(\w+)"', source)
    found = {f"simfleet_run_{one or other}" for one, other in names}
    found |= {"simfleet_run_call_response_seconds", "simfleet_run_call_service_seconds"}
    assert found == documented()


def test_the_dashboard_asks_for_figures_that_there_are() -> None:
    dashboard = json.loads((DOCS / "grafana" / "simfleet-run.json").read_text())
    asked = set(re.findall(r"simfleet_run_\w+", json.dumps(dashboard)))
    bare = {re.sub(r"_seconds_(bucket|count|sum)$", "_seconds", name) for name in asked}
    assert len(dashboard["panels"]) >= 12
    assert bare <= documented()


def test_no_panel_of_the_dashboard_lies_over_another() -> None:
    dashboard = json.loads((DOCS / "grafana" / "simfleet-run.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
