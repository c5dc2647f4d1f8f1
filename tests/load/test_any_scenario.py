"""Whole runs of scenarios that nobody wrote: what must hold for each, whatever it is.

On a virtual clock. `SIMFLEET_EXAMPLES=1000` looks longer.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import os
import re
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from builders_any_scenario import Written, live_actions, scenarios
from builders_summary import names_documented, names_in
from simfleet.cli.run import EXIT_CODES
from simfleet.errors import Refused, ScenarioInvalid
from simfleet.load.live.actions import ResumeRun
from simfleet.load.replay import read_manifest, replay_of
from simfleet.load.results.artefacts import WRITERS, render
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario
from simfleet.load.virtual import virtual_world

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.load.live.actions import LiveAction
    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Engine

WALL_S: Final = 1_795_000_000.0
PART_GRACE_S: Final = 155.0
"""What a part of a stage may take beyond its time: 60 s until a ramp is up, or 90 s until a stop
has everybody gone.
"""
VISIT_S: Final = 70.0
"""How long people are there who change a run."""
EXAMPLES: Final = int(os.environ.get("SIMFLEET_EXAMPLES", "12"))
ANY: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SIMFLEET_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Visitor:
    """A companion that does what people do, each thing at its time."""

    def __init__(self, actions: Sequence[tuple[float, LiveAction]]) -> None:
        last = [(VISIT_S, ResumeRun())] if actions else []  # nobody leaves a run paused for good
        self._actions = sorted([*actions, *last], key=lambda one: one[0])

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        began_s = trio.current_time()
        for at_s, action in self._actions:
            await trio.sleep_until(began_s + at_s)
            with contextlib.suppress(Refused):
                engine.live.act(action, by="visitor")

    def figures(self) -> Mapping[str, Any]:
        return {}


class Ended:
    """A run that is over."""

    def __init__(self, scenario: Scenario, summary: dict[str, Any], path: Path) -> None:
        self.scenario = scenario
        self.summary = summary
        self.path = path

    @property
    def cut_off(self) -> bool:
        return self.summary["ledger"]["balanced"] is None


def run(scenario: Scenario, path: Path, actions: Sequence[tuple[float, LiveAction]] = ()) -> Ended:
    world = virtual_world(scenario, wall_s=WALL_S)

    async def main() -> dict[str, Any]:
        made = RunFolder.create(path, name="any", start_wall_s=WALL_S, simulated_wall_s=WALL_S)
        with made as folder:
            folder.write(
                "manifest.json",
                manifest(scenario, source=b"", arguments=[], began_wall_s=WALL_S),
            )
            visitor = Visitor(actions)
            runner = Runner(
                scenario, folder, watch=lambda _: None, companions=[visitor], world=world
            )
            with trio.fail_after(scenario.lasts_s + 100_000):
                finished = await runner.run(heed_signals=False)
            folder.write("summary.json", finished.summary)
        found: dict[str, Any] = msgspec.to_builtins(finished.summary)
        return found

    summary = trio.run(main, clock=world.clock())
    return Ended(scenario, summary, path)


# ── what must hold ───────────────────────────────────────────────────────────────────────────────


def check_books(ended: Ended) -> None:
    summary = ended.summary
    assert summary["crashes"] == []
    assert summary["chargers"]["crashed"] == 0
    if not ended.cut_off:
        broken = [check for check in summary["ledger"]["checks"] if not check["holds"]]
        assert broken == []


def check_verdict(ended: Ended) -> None:
    summary = ended.summary
    verdict = summary["verdict"]
    code = EXIT_CODES[verdict["result"]]
    missed = [one for one in summary["thresholds"] if not one["passed"]]
    assert (code == 0) == (verdict["result"] == "passed")
    if verdict["result"] == "passed":
        assert not missed
        assert not any(
            reason.startswith(("ledger:", "threshold:")) for reason in verdict["reasons"]
        )
    else:
        assert verdict["reasons"]
    for one in missed:
        assert any(one["metric"] in reason for reason in verdict["reasons"])
    if verdict["generator"] == "INVALID":
        assert code != 0
    if (summary["case_totals"] or {}).get("failed"):
        assert code != 0


def check_names(ended: Ended) -> None:
    documented = names_documented()
    unknown = names_in(ended.summary) - documented
    assert {name for name in unknown if not any(d.startswith(f"{name}.") for d in documented)} <= {
        *("violations[]", "crashes[]", "soak[]", "actions[]", "storms[]", "thresholds[]"),
        *("windows[]", "capacity.broken[]", "cases[]", "worst_chargers.kept[]"),
    }


def check_sums(ended: Ended) -> None:
    summary = ended.summary
    totals, calls = summary["call_totals"], summary["calls"]
    for action, call in calls.items():
        parts = [stage["calls"].get(f"{action}.response") for stage in summary["stages"]]
        assert sum(part["count"] for part in parts if part) == call["count"], action
    for name in ("count", "timeouts", "lost"):
        assert sum(call[name] for call in calls.values()) == totals[name], name
        assert sum(part["call_totals"][name] for part in summary["slices"]) == totals[name], name
    for name in ("started", "stopped"):
        of_slices = [part["transactions"][name] for part in summary["slices"]]
        assert sum(of_slices) == summary["transactions"][name], name
    of_slices = [part["chargers"]["booted"] for part in summary["slices"]]
    assert sum(of_slices) == summary["chargers"]["booted"]


def check_tables(ended: Ended) -> None:
    summary = ended.summary
    rows = list(csv.DictReader((ended.path / "timeline.csv").read_text("utf-8").splitlines()))
    wanted = {
        "started": summary["transactions"]["started"],
        "stopped": summary["transactions"]["stopped"],
        "calls": summary["call_totals"]["count"],
        "errors": sum(summary["call_totals"]["errors"].values()),
        "timeouts": summary["call_totals"]["timeouts"],
        "lost": summary["call_totals"]["lost"],
        "connects": summary["connect"]["opened"],
        "connect_failures": sum(summary["connect"]["failures"].values()),
        "disconnects": sum(summary["disconnects"].values()),
        "problems": summary["problems"]["total"],
        "injected": summary["injected"]["total"],
        "arrivals": (summary["arrivals"] or {"arrived": 0})["arrived"],
    }
    assert {name: sum(int(row[name]) for row in rows) for name in wanted} == wanted
    assert len(rows) == summary["tables"]["timeline_rows"]
    actions = ended.path / "actions.csv"
    by_action = dict.fromkeys(summary["calls"], 0)
    for row in csv.DictReader(actions.read_text("utf-8").splitlines()) if actions.exists() else ():
        by_action[row["action"]] += int(row["count"])
    assert by_action == {action: call["count"] for action, call in summary["calls"].items()}


def check_arrivals(ended: Ended) -> None:
    found = ended.summary["arrivals"]
    if found is None:
        return
    assert found["wanted"] == found["arrived"] + found["turned_away"]
    assert found["arrived"] == found["finished"] + found["unserved"] + found["under_way"]
    assert found["started"] <= found["arrived"]
    if not ended.cut_off:
        assert found["under_way"] == 0


def check_storms(ended: Ended) -> None:
    for storm in ended.summary["storms"]:
        assert storm["chargers"] == storm["back"] + storm["missing"]
        times = [storm[name] for name in ("seconds_to_50", "seconds_to_95", "seconds_to_100")]
        reached = [time for time in times if time is not None]
        assert times[: len(reached)] == reached == sorted(reached)
        assert all(time >= 0 for time in reached)
        assert (times[2] is not None) == (storm["chargers"] > 0 and not storm["missing"])
    counted = sum(stage["storm"] is not None for stage in ended.summary["stages"])
    assert counted == len(ended.summary["storms"])


def check_commands(ended: Ended) -> None:
    found = ended.summary["scenario_commands"]
    for counts in () if found is None else (found["totals"], *found["by_action"].values()):
        assert counts["chosen"] == counts["sent"] + sum(counts["skipped"].values())
        ended_so = sum(counts["statuses"].values()) + sum(counts["errors"].values())
        assert counts["sent"] == ended_so + counts["timeouts"] + counts["not_connected"]
        assert counts["converged"] + counts["not_converged"] <= counts["watched"]
        assert counts["unexpected"] <= counts["sent"]


def check_cases(ended: Ended) -> None:
    totals = ended.summary["case_totals"]
    if totals is not None:
        assert totals["total"] == totals["passed"] + totals["failed"] + totals["skipped"]
        assert totals["total"] == len(ended.summary["cases"]) + totals["left_out"]


def check_stages(ended: Ended) -> None:
    stages = ended.summary["stages"]
    at_s = 0.0
    for stage in stages:
        assert at_s <= stage["began_s"] + 0.002
        assert stage["began_s"] <= stage["ended_s"]
        at_s = stage["ended_s"]
    assert at_s <= ended.summary["load_s"] + 0.002
    if ended.summary["verdict"]["result"] == "passed" and not ended.summary["changed_live"]:
        assert all(stage["complete"] for stage in stages)


def check_time(ended: Ended, *, extra_s: float = 0.0) -> None:
    parts = len(ended.summary["stages"]) + 1
    latest_s = ended.scenario.lasts_s + parts * PART_GRACE_S + extra_s
    assert ended.summary["load_s"] <= latest_s


def check_pages(ended: Ended) -> None:
    assert render(ended.path, ended.summary) is None
    for name in WRITERS:
        assert (ended.path / name).stat().st_size > 100
    ET.parse(ended.path / "junit.xml")
    text = (ended.path / "report.html").read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    lines = (ended.path / "errors.jsonl").read_text(encoding="utf-8").splitlines()
    assert len([json.loads(line) for line in lines if line]) >= ended.summary["problems"]["kept"]


def check_replay(ended: Ended) -> None:
    again = replay_of(read_manifest(ended.path), {})
    assert again.scenario == ended.scenario
    assert again.warnings == []


def check_all(ended: Ended, *, extra_s: float = 0.0) -> None:
    check_books(ended)
    check_verdict(ended)
    check_names(ended)
    check_sums(ended)
    check_tables(ended)
    check_arrivals(ended)
    check_storms(ended)
    check_commands(ended)
    check_cases(ended)
    check_stages(ended)
    check_time(ended, extra_s=extra_s)
    check_pages(ended)
    check_replay(ended)


NEVER_EQUAL: Final = ("clock", "generator", "soak", "windows", "capacity", "thresholds", "verdict")


def same_part(ended: Ended) -> dict[str, Any]:
    """What is the same whenever a scenario is run, in virtual time."""
    return {name: found for name, found in ended.summary.items() if name not in NEVER_EQUAL}


# ── the runs ─────────────────────────────────────────────────────────────────────────────────────


@ANY
@given(scenarios(trouble=False))
def test_what_is_said_of_a_run_holds_together(written: Written) -> None:
    with tempfile.TemporaryDirectory() as name:
        check_all(run(parse_scenario(written.text.encode()), Path(name) / "run"))


@ANY
@given(scenarios())
def test_it_holds_together_whatever_goes_wrong_on_purpose(written: Written) -> None:
    with tempfile.TemporaryDirectory() as name:
        check_all(run(parse_scenario(written.text.encode()), Path(name) / "run"))


@ANY
@given(scenarios(), st.lists(live_actions(), min_size=1, max_size=5))
def test_it_holds_together_whatever_people_do(
    written: Written, actions: list[tuple[float, LiveAction]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        ended = run(parse_scenario(written.text.encode()), Path(name) / "run", actions)
        check_all(ended, extra_s=600.0)


@ANY
@given(scenarios())
def test_the_same_seed_gives_the_same_run(written: Written) -> None:
    scenario = parse_scenario(written.text.encode())
    with tempfile.TemporaryDirectory() as name:
        one, two = (run(scenario, Path(name) / number) for number in ("1", "2"))
        assert same_part(one) == same_part(two)
        schedules = [(end.path / "schedule.csv") for end in (one, two)]
        texts = [path.read_bytes() if path.exists() else b"" for path in schedules]
        assert texts[0] == texts[1]


# ── scenarios with mistakes ──────────────────────────────────────────────────────────────────────

NONSENSE: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True),
    st.text(max_size=20),
    st.sampled_from(
        ["", "10 parsecs", "5s..1s", "-1s", "1e400", "$now", "ocpp9", "{n}", "∞", "0s"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
TYPED: Final = ("", "\t", "'", "{", "}", ":", "&a", "*a", "!", "\x00", "é")


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where everything in a tree is."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(found for key, one in inside for found in paths_of(one, (*path, key)))]


@settings(ANY, max_examples=EXAMPLES * 3)
@given(st.data(), scenarios())
def test_mistakes_are_told_with_their_place(data: st.DataObject, written: Written) -> None:
    content = copy.deepcopy(written.content)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(paths_of(content)[1:]))
        owner = content
        for key in path[:-1]:
            owner = owner[key]
        match data.draw(st.sampled_from(["replace", "remove", "add", "rename"])):
            case "replace":
                owner[path[-1]] = data.draw(NONSENSE)
            case "remove":
                del owner[path[-1]]
            case "rename" if isinstance(owner, dict):
                owner[data.draw(st.text(max_size=6))] = owner.pop(path[-1])
            case "add" if isinstance(owner, dict):
                owner[data.draw(st.sampled_from(["to", "for", "do", "kind", "x"]))] = "5s"
            case _:
                owner[path[-1]] = [owner[path[-1]]]
        assume(content)
    told_mistakes(yaml.safe_dump(content, allow_unicode=True).encode())


@settings(ANY, max_examples=EXAMPLES * 3)
@given(st.data(), scenarios())
def test_a_text_with_typing_mistakes_is_read_or_refused(
    data: st.DataObject, written: Written
) -> None:
    text = written.text
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        typed = data.draw(
            st.sampled_from(["", "\t", "'", "{", "}", ":", "&a", "*a", "!", "\x00", "é"])
        )
        text = text[:at] + typed + text[at + data.draw(st.integers(0, 3)) :]
        assume(text)
    told_mistakes(text.encode())


def told_mistakes(source: bytes) -> None:
    """A scenario is read, or all of its mistakes have a place in the file; in no time."""
    began_s = time.process_time()
    try:
        parse_scenario(source, source="any.yaml")
    except ScenarioInvalid as wrong:
        lines = str(wrong).splitlines()
        assert lines
        for line in lines:
            assert re.match(r"any\.yaml:\d+:\d+: .+", line), line
    assert time.process_time() - began_s < 2.0
