"""/api/runs/{run_id}/actions: a run is changed while it goes on, over HTTP."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_examples import Example, assert_shaped_like, examples
from builders_http import KEY, OTHER_KEY, Keys, Reply, Served, an_app, served
from builders_service import a_csms, a_run_lab, a_tiny_scenario
from simfleet.api import live as api_live
from simfleet.api import runs as api_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JSON = "application/json"


class Client:
    """Asks as one user, about one run."""

    def __init__(self, server: Served, key: str) -> None:
        self.server = server
        self.key = key
        self.run_id = ""

    async def ask(
        self, path: str, *, method: str = "GET", body: bytes = b"", content_type: str = JSON
    ) -> Reply:
        headers = {"X-API-Key": self.key, "Content-Type": content_type}
        return await self.server.ask(path, method=method, body=body, headers=headers)

    async def act(self, **action: Any) -> Reply:
        path = f"/api/runs/{self.run_id}/actions"
        return await self.ask(path, method="POST", body=json.dumps(action).encode())

    async def run(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask(f"/api/runs/{self.run_id}")).json
        return found

    async def when(self, **wanted: Any) -> dict[str, Any]:
        """The progress of the run, once it is so."""
        with trio.fail_after(20):
            while True:
                run = await self.run()
                progress = run["progress"] or {}
                if all(progress.get(name) == value for name, value in wanted.items()):
                    return progress
                await trio.sleep(0.05)

    async def finished(self) -> dict[str, Any]:
        with trio.fail_after(20):
            while True:
                run = await self.run()
                if run["status"] == "finished":
                    return run
                await trio.sleep(0.05)


@asynccontextmanager
async def a_run_by_rest(folder: Path, *, hold: str = "60s") -> AsyncIterator[tuple[Client, Client]]:
    """Ann with a run whose three chargers are up, and Bob."""
    async with a_run_lab(folder) as lab, a_csms() as url:
        keys = Keys()
        keys.of = {KEY: lab.ann, OTHER_KEY: lab.bob}
        app = an_app(api_runs.runs, api_live.live, runs=lab.runs, store=keys)
        async with served(app) as server:
            ann, bob = Client(server, KEY), Client(server, OTHER_KEY)
            started = await ann.ask(
                "/api/runs",
                method="POST",
                body=a_tiny_scenario(url, hold=hold),
                content_type="application/yaml",
            )
            assert started.status == 201, started.content
            ann.run_id = bob.run_id = started.json["id"]
            await ann.when(stage_number=2, connected=3)
            yield ann, bob
            await ann.ask(f"/api/runs/{ann.run_id}/stop?now=true", method="POST")
            await ann.finished()


async def test_a_run_is_paused_and_goes_on_and_progress_shows_it(tmp_path: Path) -> None:
    async with a_run_by_rest(tmp_path) as (ann, _):
        answer = await ann.act(do="pause")
        assert answer.status == 200
        assert (answer.json["by"], answer.json["do"], answer.json["done"]) == ("ann", "pause", True)
        await ann.when(paused=True)
        again = await ann.act(do="pause")
        assert (again.status, again.json["code"]) == (409, "PAUSED_ALREADY")
        assert (await ann.act(do="resume")).status == 200
        progress = await ann.when(paused=False)
        assert progress["last_action"] == "ann: resumed"
        assert progress["changed_live"] is True


async def test_a_target_is_reached_and_in_the_summary(tmp_path: Path) -> None:
    async with a_run_by_rest(tmp_path) as (ann, _):
        assert (await ann.act(do="target", to=1)).json["result"] == "target 1 charging"
        await ann.when(chargers=1)
        too_many = await ann.act(do="target", to=4)
        assert (too_many.status, too_many.json["code"]) == (409, "TARGET_TOO_LARGE")
        listed = await ann.ask(f"/api/runs/{ann.run_id}/actions")
        assert [one["done"] for one in listed.json] == [True, False]
        assert (await ann.act(do="skip")).status == 200
        ended = await ann.finished()
        assert ended["summary"]["changed_live"] is True
        assert [one["do"] for one in ended["summary"]["actions"]] == ["target", "target", "skip"]
        afterwards = await ann.ask(f"/api/runs/{ann.run_id}/actions")
        assert afterwards.json == ended["summary"]["actions"]
        late = await ann.act(do="pause")
        assert (late.status, late.json["code"]) == (409, "RUN_FINISHED")


async def test_a_stop_is_one_action_of_many(tmp_path: Path) -> None:
    async with a_run_by_rest(tmp_path) as (ann, _):
        assert (await ann.act(do="stop")).status == 200
        again = await ann.act(do="stop")
        assert again.json["code"] in ("STOPPING_ALREADY", "RUN_FINISHED")
        ended = await ann.finished()
        assert ended["verdict"]["result"] == "interrupted"
        assert ended["verdict"]["reasons"][0] == "interrupted by ann (live)"
        assert ended["summary"]["ledger"]["balanced"] is True


@pytest.mark.parametrize(
    "action",
    [
        {},
        {"do": "explode"},
        {"do": "pause", "for_s": 3},
        {"do": "target"},
        {"do": "target", "to": -1},
        {"do": "target", "to": "many"},
        {"do": "kill", "share": 0},
        {"do": "kill", "share": 1.5},
        {"do": "kill", "share": 0.5, "how": "axe"},
        {"do": "fault", "fault": {"kind": "gremlins"}},
        {"do": "network", "impairment": {"kind": "latency"}},
        {"do": "rate", "per_s": 1e9},
    ],
)
async def test_what_is_no_action_is_400_and_changes_nothing(
    tmp_path: Path, action: dict[str, Any]
) -> None:
    async with a_run_by_rest(tmp_path) as (ann, _):
        answer = await ann.act(**action)
        assert (answer.status, answer.json["code"]) == (400, "VALIDATION_ERROR")
        assert (await ann.ask(f"/api/runs/{ann.run_id}/actions")).json == []


async def test_nobody_changes_the_run_of_somebody_else(tmp_path: Path) -> None:
    async with a_run_by_rest(tmp_path) as (ann, bob):
        assert (await bob.act(do="pause")).status == 404
        assert (await bob.ask(f"/api/runs/{ann.run_id}/actions")).status == 404
        missing = Client(ann.server, KEY)
        missing.run_id = "20200101-000000-00000000"
        assert (await missing.act(do="pause")).status == 404
        nobody = Client(ann.server, "wrong")
        nobody.run_id = ann.run_id
        assert (await nobody.act(do="pause")).status == 401


async def test_before_the_load_has_begun_nothing_can_be_changed(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab:
        keys = Keys()
        keys.of = {KEY: lab.ann}
        app = an_app(api_runs.runs, api_live.live, runs=lab.runs, store=keys)
        async with served(app) as server:
            ann = Client(server, KEY)
            scenario = a_tiny_scenario("ws://192.0.2.1:1/ocpp", hold="1s")  # answers nobody
            started = await ann.ask(
                "/api/runs", method="POST", body=scenario, content_type="application/yaml"
            )
            ann.run_id = started.json["id"]
            early = await ann.act(do="pause")
            assert early.json["code"] in ("NOT_RUNNING", "RUN_FINISHED")
            assert (await ann.ask(f"/api/runs/{ann.run_id}/actions")).json == []
            await ann.ask(f"/api/runs/{ann.run_id}/stop?now=true", method="POST")
            await ann.finished()


def _of_this_page() -> list[Example]:
    return [one for one in examples() if "/actions" in one.line and "/api/runs" in one.line]


async def test_the_examples_of_the_reference_answer_what_it_says(tmp_path: Path) -> None:
    assert len(_of_this_page()) >= 9
    async with a_run_by_rest(tmp_path) as (ann, _):
        for example in _of_this_page():
            method, path, _, body = example.arguments()
            path = path.replace("$RUN", ann.run_id)
            answer = await ann.ask(path, method=method, body=body or b"")
            assert answer.status == example.status, (example.line, answer.content)
            if example.shown is not None:
                assert_shaped_like(answer.json, example.shown)
