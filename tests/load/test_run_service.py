"""Runs as a service offers them: carried out here, stopped from outside, kept afterwards."""

from __future__ import annotations

import json
import os
import signal
import weakref
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
import trio
import yaml

from builders_service import a_csms, a_run_lab, a_tiny_scenario
from simfleet.errors import Missing, ScenarioInvalid
from simfleet.fleet.garbage import calm_garbage
from simfleet.load.generator import TIDY_AFTER_S, Generator, GeneratorBusy
from simfleet.load.run_service import RunFileMissing, RunFinished
from simfleet.load.run_views import ARTEFACTS, Run, RunVerdict, as_left_behind, stored

if TYPE_CHECKING:
    from pathlib import Path

    from builders_service import RunLab

SMOKE = "scenarios/smoke.yaml"
REFUSED = "ws://127.0.0.1:9"
"""Where nobody listens."""


def smoke(request: pytest.FixtureRequest) -> bytes:
    return (request.config.rootpath / SMOKE).read_bytes()


async def running(lab: RunLab, run_id: str) -> Run:
    """Wait until a run of ann's has progress to show."""
    with trio.fail_after(20):
        while (run := await lab.runs.at(lab.ann, run_id, 0.0)).progress is None:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return run


def children() -> set[int]:
    return {
        child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE
    }


# ── from the first request to the summary ────────────────────────────────────────────────────────


async def test_the_smoke_scenario_runs_and_leaves_its_folder(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    async with a_run_lab(tmp_path) as lab:
        started = await lab.runs.start(lab.ann, smoke(request))
        assert (started.scenario, started.chargers, started.target) == ("smoke", 20, "embedded")
        assert started.planned_s == 6
        assert (started.status, started.verdict, started.files) == ("queued", None, [])
        seen = await running(lab, started.id)
        assert seen.status == "running"
        assert seen.progress is not None
        assert seen.progress.wanted == 20
        ended = await lab.finished(started.id)
        assert ended.verdict is not None
        # a busy machine may make the generator suspect, or even late; the books must balance
        assert ended.verdict.result in ("passed", "invalid"), ended.verdict
        assert ended.progress is None
        assert ended.created_at <= (ended.began_at or "") < (ended.ended_at or "")
        assert ended.files == list(ARTEFACTS)
        assert ended.summary is not None
        assert ended.summary["scenario"] == "smoke"
        assert ended.summary["ledger"]["balanced"] is True
        assert lab.generator.hold is None
        path = await lab.runs.file(lab.ann, started.id, "summary.json")
        assert json.loads(path.read_bytes()) == ended.summary
        manifest = json.loads((path.parent / "manifest.json").read_bytes())
        assert manifest["scenario"]["name"] == "smoke"


async def test_a_scenario_in_json_is_the_same_scenario(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        scenario = yaml.safe_load(a_tiny_scenario(url, hold="100ms"))
        content = json.dumps(scenario, indent="\t").encode()
        run = await lab.runs.start(lab.ann, content, is_json=True)
        ended = await lab.finished(run.id)
        assert ended.summary is not None
        assert ended.summary["chargers"]["booted"] == 3


@pytest.mark.parametrize("is_json", [False, True])
async def test_all_mistakes_are_told_with_their_places(tmp_path: Path, is_json: bool) -> None:
    yaml_text = b"schema: 1\nname: bad\nfleet:\n  - {name: a, count: many, id: X}\nstages: []\n"
    json_text = b'{"schema": 1,\n "name": "bad",\n "fleet": [\n' + (
        b'  {"name": "a", "count": "many", "id": "X"}],\n "stages": []}'
    )
    async with a_run_lab(tmp_path) as lab:
        with pytest.raises(ScenarioInvalid) as caught:
            await lab.runs.start(lab.ann, json_text if is_json else yaml_text, is_json=is_json)
        places = [problem.split(": ")[0] for problem in caught.value.problems]
        source = "scenario.json" if is_json else "scenario.yaml"
        assert places == [
            f"{source}:4:{26 if is_json else 22}",
            f"{source}:5:{12 if is_json else 9}",
        ]
        assert lab.generator.hold is None
        assert await lab.runs.all_of(lab.ann) == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"schema": 1,\n "name": }', "scenario.json:2:10: "),
        (b"", "scenario.json:1:1: "),
        (b"[" * 5000 + b"]" * 5000, "scenario.json:1:1: it is nested too deeply"),
        (b'{"name": "\xff"}', "scenario.json:1:1: "),
        (b"{} {}", "scenario.json:1:5: "),
    ],
)
async def test_what_is_no_json_is_told_where(tmp_path: Path, content: bytes, place: str) -> None:
    async with a_run_lab(tmp_path) as lab:
        with pytest.raises(ScenarioInvalid) as caught:
            await lab.runs.start(lab.ann, content, is_json=True)
        assert caught.value.problems[0].startswith(place)


async def test_escapes_of_json_are_read_as_json_reads_them(tmp_path: Path) -> None:
    from simfleet.load.scenario_json import parse_json_scenario

    scenario = yaml.safe_load(a_tiny_scenario("embedded"))
    scenario["description"] = 'a "quote", a \\ud83d\\ude00, a \U0001f600, a / and a \\'
    for text in (
        json.dumps(scenario),
        json.dumps(scenario).replace("/", "\\/"),
        json.dumps(scenario, ensure_ascii=False, separators=(",", ":")),
    ):
        assert parse_json_scenario(text.encode()).description == scenario["description"]


# ── stopping ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_brings_the_chargers_home(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
        await running(lab, run.id)
        stopping = await lab.runs.stop(lab.ann, run.id)
        assert (stopping.status, stopping.stopping) == ("running", True)
        await lab.runs.stop(lab.ann, run.id)  # again changes nothing
        ended = await lab.finished(run.id, within_s=20)
        assert ended.verdict is not None
        assert ended.verdict.result == "interrupted"
        assert ended.verdict.reasons[0] == "interrupted by a request to stop"
        assert ended.summary is not None
        assert ended.summary["ledger"]["balanced"] is True
        assert not ended.stopping
        with pytest.raises(RunFinished):
            await lab.runs.stop(lab.ann, run.id)


async def test_a_stop_now_cuts_everything_off(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
        await running(lab, run.id)
        await lab.runs.stop(lab.ann, run.id, now=True)
        ended = await lab.finished(run.id, within_s=5)
        assert ended.verdict is not None
        assert ended.verdict.result == "interrupted"
        assert ended.summary is not None
        assert ended.summary["ledger"]["balanced"] is None


async def test_a_run_that_has_not_begun_yet_can_be_stopped(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
        await lab.runs.stop(lab.ann, run.id)
        ended = await lab.finished(run.id, within_s=5)
        assert ended.verdict is not None
        assert ended.verdict.result == "interrupted"


async def test_the_end_of_the_service_ends_a_run_in_order(tmp_path: Path) -> None:
    async with a_csms() as url:
        async with a_run_lab(tmp_path) as lab:
            run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
            await running(lab, run.id)
            with trio.fail_after(15):
                await lab.runs.close()
        async with a_run_lab(tmp_path) as lab:
            ended = await lab.runs.find(lab.ann, run.id)
    assert ended.verdict is not None
    assert ended.verdict.reasons[0] == "interrupted by the end of the service"
    assert ended.summary is not None


# ── what can go wrong ────────────────────────────────────────────────────────────────────────────


async def test_a_csms_that_is_not_there_refuses_the_run_and_leaves_no_folder(
    tmp_path: Path,
) -> None:
    async with a_run_lab(tmp_path) as lab:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(REFUSED))
        ended = await lab.finished(run.id)
        assert ended.verdict is not None
        assert ended.verdict.result == "refused"
        assert f"cannot connect to {REFUSED}" in ended.verdict.reasons[0]
        assert (ended.files, ended.summary) == ([], None)
        assert not (tmp_path / "runs" / run.id).exists()
        assert lab.generator.hold is None


async def test_an_embedded_csms_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    before = children()
    async with a_run_lab(tmp_path) as lab:
        run = await lab.runs.start(lab.ann, a_tiny_scenario("embedded", hold="60s"))
        await running(lab, run.id)
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        ended = await lab.finished(run.id, within_s=15)
        assert ended.verdict is not None
        assert ended.verdict.result == "target_lost"
        again = await lab.runs.start(lab.ann, a_tiny_scenario("embedded", hold="100ms"))
        ended = await lab.finished(again.id)
        assert ended.summary is not None
        assert ended.summary["ledger"]["balanced"] is True


async def test_a_folder_that_cannot_be_written_refuses_the_run(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    async with a_run_lab(tmp_path) as lab:
        run = await lab.runs.start(lab.ann, a_tiny_scenario("embedded"))
        ended = await lab.finished(run.id)
        assert ended.verdict is not None
        assert ended.verdict.result == "refused"
        assert ended.verdict.reasons[0].startswith("cannot write to ")


# ── one at a time, and each user's own ───────────────────────────────────────────────────────────


async def test_a_second_run_is_told_who_has_the_generator(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        content = a_tiny_scenario(url, hold="60s")
        run = await lab.runs.start(lab.ann, content)
        for user in (lab.ann, lab.bob):
            with pytest.raises(GeneratorBusy, match=rf"run {run.id} \(tiny\) of 'ann'"):
                await lab.runs.start(user, content)
        await lab.runs.stop(lab.ann, run.id, now=True)
        await lab.finished(run.id)
        assert len(await lab.runs.all_of(lab.ann)) == 1
        assert await lab.runs.all_of(lab.bob) == []


async def test_a_mass_fleet_that_has_the_generator_is_named(tmp_path: Path) -> None:
    generator = Generator()
    async with a_run_lab(tmp_path, generator=generator) as lab:
        generator.take(lab.bob, "the mass fleet")
        with pytest.raises(GeneratorBusy, match="the mass fleet of 'bob'"):
            await lab.runs.start(lab.ann, a_tiny_scenario("embedded"))


async def test_a_run_is_missing_for_anybody_else(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))

        async def assert_missing() -> None:
            with pytest.raises(Missing):
                await lab.runs.find(lab.bob, run.id)
            with pytest.raises(Missing):
                await lab.runs.at(lab.bob, run.id, 0.0)
            with pytest.raises(Missing):
                await lab.runs.stop(lab.bob, run.id)
            with pytest.raises(Missing):
                await lab.runs.file(lab.bob, run.id, "manifest.json")

        await running(lab, run.id)
        await assert_missing()
        await lab.runs.stop(lab.ann, run.id, now=True)
        await lab.finished(run.id)
        await assert_missing()


# ── afterwards ───────────────────────────────────────────────────────────────────────────────────


async def test_runs_are_listed_newest_first_also_after_a_restart(tmp_path: Path) -> None:
    async with a_csms() as url:
        async with a_run_lab(tmp_path) as lab:
            ids: list[str] = []
            for _ in range(3):
                run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="50ms"))
                ids.insert(0, run.id)
                await lab.finished(run.id)
            before = await lab.runs.all_of(lab.ann)
            assert [run.id for run in before] == ids
            assert [run.id for run in await lab.runs.all_of(lab.ann, limit=1, offset=1)] == ids[1:2]
        async with a_run_lab(tmp_path) as lab:
            assert await lab.runs.all_of(lab.ann) == before
            found = await lab.runs.find(lab.ann, ids[0])
            assert found.summary is not None


async def test_a_run_that_the_service_was_cancelled_in_is_interrupted(tmp_path: Path) -> None:
    async with a_csms() as url:
        async with a_run_lab(tmp_path) as lab:
            run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
            await running(lab, run.id)
        async with a_run_lab(tmp_path) as lab:
            found = await lab.runs.find(lab.ann, run.id)
    assert found.status == "finished"
    assert found.verdict == RunVerdict("interrupted", ["the service ended before the run did"])
    assert found.ended_at is not None


async def test_a_run_that_the_service_was_killed_in_is_interrupted(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab:
        killed = Run(
            id="r1",
            scenario="tiny",
            status="running",
            chargers=3,
            target="embedded",
            planned_s=1.0,
            created_at="2026-03-01T12:00:00.000Z",
        )
        await lab.store.save_run("r1", lab.ann.id, stored(killed))
        found = await lab.runs.find(lab.ann, "r1")
        (listed,) = await lab.runs.all_of(lab.ann)
        for run in (found, listed):
            assert run.status == "finished"
            assert run.verdict is not None
            assert run.verdict.result == "interrupted"
        with pytest.raises(RunFinished):
            await lab.runs.stop(lab.ann, "r1")


async def test_a_stored_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = Run(
        id="r1",
        scenario="tiny",
        status="finished",
        chargers=3,
        target="embedded",
        planned_s=1.0,
        created_at="2026-03-01T12:00:00.000Z",
        verdict=RunVerdict("passed", [], "VALID"),
    )
    assert as_left_behind(stored(run)) == run
    older: dict[str, Any] = msgspec.json.decode(stored(run))
    del older["stopping"]  # what an older version did not write has its default
    assert as_left_behind(msgspec.json.encode(older)) == run


async def test_a_run_that_is_over_leaves_nothing_in_memory(tmp_path: Path) -> None:
    with calm_garbage():
        async with a_run_lab(tmp_path) as lab, a_csms() as url:
            run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="2s"))
            await running(lab, run.id)
            runner = weakref.ref(lab.runs._live[run.id]._runner)
            assert runner() is not None
            await lab.finished(run.id)
            await trio.sleep(TIDY_AFTER_S + 0.3)
            assert runner() is None


@pytest.mark.parametrize(
    "name", ["../simfleet.db", "..", ".", "", "manifest.json/../x", "/etc/passwd", "secret.txt"]
)
async def test_only_artefacts_can_be_downloaded(tmp_path: Path, name: str) -> None:
    async with a_run_lab(tmp_path) as lab, a_csms() as url:
        run = await lab.runs.start(lab.ann, a_tiny_scenario(url, hold="60s"))
        await running(lab, run.id)
        (tmp_path / "runs" / run.id / "secret.txt").write_text("s3cret")
        with pytest.raises(RunFileMissing):
            await lab.runs.file(lab.ann, run.id, name)
        with pytest.raises(RunFileMissing):  # not yet
            await lab.runs.file(lab.ann, run.id, "summary.json")
        assert (await lab.runs.file(lab.ann, run.id, "errors.jsonl")).is_file()
        for other in ("..", ".", "../runs", ""):
            with pytest.raises(Missing):
                await lab.runs.file(lab.ann, other, "manifest.json")
        await lab.runs.stop(lab.ann, run.id, now=True)
