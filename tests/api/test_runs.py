"""/api/runs: a run from the request to its artefacts, over HTTP."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_http import KEY, OTHER_KEY, Keys, Reply, Served, a_request, an_app, read_head, served
from builders_service import a_csms, a_run_lab, a_tiny_scenario
from simfleet.api import runs as api_runs
from simfleet.api.runs import FINAL_ID
from simfleet.load.run_views import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from builders_service import RunLab

YAML = "application/yaml"


class Client:
    """Asks as one user."""

    def __init__(self, server: Served, key: str) -> None:
        self.server = server
        self.key = key

    async def ask(
        self, path: str, *, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.server.ask(
            path, method=method, body=body, headers={"X-API-Key": self.key, **named}
        )

    async def post(self, path: str, body: bytes = b"", content_type: str = YAML) -> Reply:
        return await self.ask(path, method="POST", body=body, Content_Type=content_type)

    async def finished(self, run_id: str) -> dict[str, Any]:
        with trio.fail_after(20):
            while True:
                run: dict[str, Any] = (await self.ask(f"/api/runs/{run_id}")).json
                if run["status"] == "finished":
                    return run
                await trio.sleep(0.05)


@asynccontextmanager
async def an_api(folder: Path) -> AsyncIterator[tuple[Client, Client, RunLab]]:
    """Ann's client, Bob's, and what is behind them."""
    async with a_run_lab(folder) as lab:
        keys = Keys()
        keys.of = {KEY: lab.ann, OTHER_KEY: lab.bob}
        async with served(an_app(api_runs.runs, runs=lab.runs, store=keys)) as server:
            yield Client(server, KEY), Client(server, OTHER_KEY), lab


async def test_a_run_from_the_request_to_its_artefacts(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, _, _), a_csms() as url:
        started = await ann.post("/api/runs", a_tiny_scenario(url, hold="300ms"))
        assert started.status == 201, started.content
        run = started.json
        assert list(run) == [
            *("id", "scenario", "status", "chargers", "target", "planned_s", "created_at"),
            *("began_at", "ended_at", "stopping", "progress", "verdict", "files", "summary"),
        ]
        assert (run["scenario"], run["chargers"], run["status"]) == ("tiny", 3, "queued")
        ended = await ann.finished(run["id"])
        assert ended["verdict"]["result"] in ("passed", "invalid")
        assert ended["summary"]["chargers"]["booted"] == 3
        for name in ended["files"]:
            answer = await ann.ask(f"/api/runs/{run['id']}/files/{name}")
            assert answer.status == 200
            on_disk = (tmp_path / "runs" / run["id"] / name).read_bytes()
            assert answer.content == on_disk
            assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert set(ended["files"]) == set(ARTEFACTS)
        listed = (await ann.ask("/api/runs?limit=5")).json
        assert [one["id"] for one in listed] == [run["id"]]
        assert "summary" not in listed[0]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
async def test_a_scenario_may_be_json(tmp_path: Path, content_type: str) -> None:
    scenario = {
        "schema": 1,
        "name": "j",
        "fleet": [{"name": "a", "count": 0, "id": "J-{n}"}],
        "stages": [{"do": "hold", "for": "100ms"}],
    }
    async with an_api(tmp_path) as (ann, _, _), a_csms() as url:
        scenario["target"] = {"url": url}
        started = await ann.post("/api/runs", json.dumps(scenario).encode(), content_type)
        assert started.status == 201, started.content
        assert (await ann.finished(started.json["id"]))["scenario"] == "j"


@pytest.mark.parametrize("content_type", [YAML, "text/yaml", "text/plain"])
async def test_a_bad_scenario_is_400_with_every_mistake_and_its_place(
    tmp_path: Path, content_type: str
) -> None:
    bad = b"schema: 1\nname: bad\nfleet:\n  - {name: a, count: many, id: X}\nstages: []\n"
    async with an_api(tmp_path) as (ann, _, _):
        answer = await ann.post("/api/runs", bad, content_type)
        assert answer.status == 400
        assert answer.headers["x-error-code"] == answer.json["code"] == "SCENARIO_INVALID"
        first, second = answer.json["error"].splitlines()
        assert first.startswith("scenario.yaml:4:22: fleet[0].count: ")
        assert second.startswith("scenario.yaml:5:9: stages: ")
        assert (await ann.ask("/api/runs")).json == []


async def test_what_is_no_scenario_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, _, _):
        assert (await ann.post("/api/runs", b"x", "application/xml")).status == 415
        assert (await ann.post("/api/runs", b"")).status == 400
        assert (await ann.ask("/api/runs?limit=0")).status == 400
        assert (await ann.ask("/api/runs?limit=1001")).status == 400


async def test_a_second_start_is_409_and_says_who_runs(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, bob, _), a_csms() as url:
        run = (await ann.post("/api/runs", a_tiny_scenario(url, hold="60s"))).json
        for client in (ann, bob):
            answer = await client.post("/api/runs", a_tiny_scenario(url))
            assert answer.status == 409
            assert answer.json["code"] == "GENERATOR_BUSY"
            assert f"run {run['id']} (tiny) of 'ann'" in answer.json["error"]
        assert (await ann.post(f"/api/runs/{run['id']}/stop?now=true")).status == 200
        await ann.finished(run["id"])


async def test_a_run_is_stopped_in_order(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, _, _), a_csms() as url:
        run = (await ann.post("/api/runs", a_tiny_scenario(url, hold="60s"))).json
        await trio.sleep(1.2)
        path = f"/api/runs/{run['id']}/stop"
        assert (await ann.post(f"{path}?now=perhaps")).status == 400
        stopped = await ann.post(path)
        assert stopped.status == 200
        assert stopped.json["stopping"] is True
        ended = await ann.finished(run["id"])
        assert ended["verdict"]["result"] == "interrupted"
        assert ended["summary"]["ledger"]["balanced"] is True
        again = await ann.post(path)
        assert (again.status, again.json["code"]) == (409, "RUN_FINISHED")


async def test_runs_are_their_owners_alone(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, bob, _), a_csms() as url:
        run = (await ann.post("/api/runs", a_tiny_scenario(url, hold="60s"))).json
        path = f"/api/runs/{run['id']}"
        for below in ("", "/stream", "/files/manifest.json"):
            assert (await bob.ask(path + below)).status == 404, below
        assert (await bob.post(f"{path}/stop")).status == 404
        assert (await bob.ask("/api/runs")).json == []
        assert (await bob.server.ask(path)).status == 401
        await ann.post(f"{path}/stop?now=true")
        await ann.finished(run["id"])
        assert (await bob.ask(path)).status == 404


@pytest.mark.parametrize(
    "name", ["secret.txt", "..%2Fsimfleet.db", "%2e%2e/simfleet.db", "..", "%00", "summary.json"]
)
async def test_nothing_but_artefacts_can_be_downloaded(tmp_path: Path, name: str) -> None:
    async with an_api(tmp_path) as (ann, _, _), a_csms() as url:
        run = (await ann.post("/api/runs", a_tiny_scenario(url, hold="60s"))).json
        (tmp_path / "runs" / run["id"]).mkdir(parents=True, exist_ok=True)
        answer = await ann.ask(f"/api/runs/{run['id']}/files/{name}")
        assert answer.status == 404
        assert "error" in answer.json
        await ann.post(f"/api/runs/{run['id']}/stop?now=true")


# ── the stream ───────────────────────────────────────────────────────────────────────────────────


class Events:
    """Reads the events of one stream."""

    def __init__(self, stream: trio.SocketStream, received: bytes) -> None:
        self._stream = stream
        self._received = received

    async def next(self) -> tuple[str | None, dict[str, Any]]:
        """Id and data of the next event. EOFError at the end of the stream."""
        while True:
            while b"\n\n" not in self._received:
                chunk = await self._stream.receive_some(65536)
                if not chunk or chunk == b"0\r\n\r\n":
                    raise EOFError
                self._received += chunk
            block, _, self._received = self._received.partition(b"\n\n")
            lines = [line.partition(b": ") for line in block.split(b"\n")]
            fields = {name.decode(): value for name, _, value in lines}
            if "data" in fields:
                event_id = fields["id"].decode() if "id" in fields else None
                return event_id, json.loads(fields["data"])


async def test_a_stream_shows_a_snapshot_a_second_and_ends_with_the_run(tmp_path: Path) -> None:
    async with an_api(tmp_path) as (ann, _, _), a_csms() as url:
        run = (await ann.post("/api/runs", a_tiny_scenario(url, hold="2s"))).json
        path = f"/api/runs/{run['id']}/stream"
        seen: list[tuple[float, str | None, dict[str, Any]]] = []
        async with await ann.server.connect() as stream:
            await stream.send_all(a_request(path, headers={"X-API-Key": KEY}))
            head, rest = await read_head(stream)
            assert head.status == 200
            assert head.headers["content-type"].startswith("text/event-stream")
            events = Events(stream, rest)
            with trio.fail_after(15):
                while not seen or seen[-1][2]["status"] != "finished":
                    event_id, snapshot = await events.next()
                    seen.append((trio.current_time(), event_id, snapshot))
            with trio.move_on_after(3), pytest.raises(EOFError):
                await events.next()
        assert len(seen) >= 4
        gaps = [later[0] - earlier[0] for earlier, later in pairwise(seen[:-1])]
        assert all(0.5 < gap < 2 for gap in gaps), gaps
        assert {snapshot["id"] for _, _, snapshot in seen} == {run["id"]}
        assert [event_id for _, event_id, _ in seen[:-1]] == [None] * (len(seen) - 1)
        assert seen[-1][1] == str(FINAL_ID)
        assert seen[-1][2]["verdict"]["result"] in ("passed", "invalid")
        assert any(snapshot["progress"] for _, _, snapshot in seen)
        again = await ann.ask(path, Last_Event_ID=str(FINAL_ID))
        assert (again.status, again.content) == (204, b"")
