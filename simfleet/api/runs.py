"""/api/runs: scenarios carried out by REST, followed second by second, and what they leave behind.

A scenario is what `simfleet run` takes, as YAML or as JSON. There is one generator: while a run or
a mass fleet has it, another start is a 409 that says who has it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import trio
from quart import Blueprint, Response

from simfleet.api.auth import current_user
from simfleet.api.bodies import Media, RawBody
from simfleet.api.routes import EVENTS, route
from simfleet.api.services import services
from simfleet.api.sse import event, last_event_id, stream
from simfleet.errors import Missing
from simfleet.load.run_views import Run, RunDetail
from simfleet.settings import LIST_LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from simfleet.load.generator import Caller
    from simfleet.load.run_service import RunService

__all__ = ["runs"]

runs = Blueprint("runs", __name__)

JSON: Final = "application/json"
SCENARIO: Final = Media(
    ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain", JSON),
    "a scenario as `simfleet run` takes it (`simfleet schema` describes it), in YAML or in JSON",
)
SNAPSHOT_EVERY_S: Final = 1.0
FINAL_ID: Final = 999_999_999
"""Id of the last event of a stream: a client that comes again with it has seen everything."""
CHUNK_BYTES: Final = 64 * 1024
DOWNLOAD_TIMEOUT_S: Final = 600.0
CONTENT_TYPES: Final = {
    "summary.json": JSON,
    "manifest.json": JSON,
    "errors.jsonl": "application/x-ndjson",
    "run.hlog": "text/plain; charset=utf-8",
    "timeline.csv": "text/csv; charset=utf-8",
    "actions.csv": "text/csv; charset=utf-8",
    "report.html": "text/html; charset=utf-8",
    "junit.xml": "application/xml",
    "summary.md": "text/markdown; charset=utf-8",
}
ARTEFACT: Final = Media(
    (
        *(JSON, "application/x-ndjson", "application/xml"),
        *("text/plain", "text/csv", "text/html", "text/markdown"),
    ),
    "the file as it is",
)


class Page(msgspec.Struct, frozen=True):
    """Which runs."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_LIMIT_MAX)] = 100
    offset: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class How(msgspec.Struct, frozen=True):
    """How to stop."""

    now: bool = False
    """Cut every charger off instead of bringing them home."""


@route(
    runs,
    "POST",
    "/api/runs",
    summary="Begin a run of a scenario",
    description=(
        "A scenario with mistakes is a 400 with all of them, one a line, each with line and column."
        " What is found out later, such as a CSMS that cannot be reached, is in the verdict."
    ),
    body=SCENARIO,
    answers={201: RunDetail},
    errors=(409,),
)
async def start_run(body: RawBody) -> RunDetail:
    user = await current_user()
    run: RunDetail = await services().runs.start(
        user, body.content, is_json=body.media_type == JSON
    )
    return run


@route(
    runs,
    "GET",
    "/api/runs",
    summary="Your runs, newest first",
    query=Page,
    answers={200: list[Run]},
)
async def list_runs(query: Page) -> list[Run]:
    user = await current_user()
    found: list[Run] = await services().runs.all_of(user, limit=query.limit, offset=query.offset)
    return found


@route(
    runs,
    "GET",
    "/api/runs/{run_id}",
    summary="One run: its progress, and its summary once it is finished",
    answers={200: RunDetail},
)
async def get_run(run_id: str) -> RunDetail:
    run: RunDetail = await services().runs.find(await current_user(), run_id)
    return run


@route(
    runs,
    "POST",
    "/api/runs/{run_id}/stop",
    summary="Stop a run: end its stages and bring its chargers home",
    description="With `now=true` every charger is cut off instead. Answers before it is finished.",
    query=How,
    answers={200: RunDetail},
    errors=(409,),
)
async def stop_run(run_id: str, query: How) -> RunDetail:
    run: RunDetail = await services().runs.stop(await current_user(), run_id, now=query.now)
    return run


@route(
    runs,
    "GET",
    "/api/runs/{run_id}/stream",
    summary="Follow a run: one snapshot a second, the last one when it is finished",
    description=(
        "Each event is the run as in the list. An EventSource that connects again after the last"
        " event gets 204, which ends it."
    ),
    answers={200: EVENTS, 204: None},
)
async def stream_run(run_id: str) -> Response:
    user = await current_user()
    of = services()
    run = await of.runs.at(user, run_id, trio.current_time())  # 404 before anything is sent
    if run.status == "finished" and last_event_id() == FINAL_ID:
        return Response(b"", status=204)
    return stream(_snapshots(of.runs, user, run_id), user=user.id, streams=of.streams)


@route(
    runs,
    "GET",
    "/api/runs/{run_id}/files/{name}",
    summary="Download an artefact: summary.json, run.hlog, errors.jsonl or manifest.json",
    description="While the run goes on, what is there so far; `summary.json` comes at the end.",
    answers={200: ARTEFACT},
)
async def get_run_file(run_id: str, name: str) -> Response:
    path = await services().runs.file(await current_user(), run_id, name)
    response = Response(
        _content_of(path),
        content_type=CONTENT_TYPES[name],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    response.timeout = DOWNLOAD_TIMEOUT_S
    return response


async def _content_of(path: Path) -> AsyncGenerator[bytes, None]:
    async with await trio.open_file(path, "rb") as file:
        while chunk := await file.read(CHUNK_BYTES):
            yield chunk


class _Snapshots:
    """A run, second by second; the source of a stream."""

    def __init__(self, of: RunService, user: Caller, run_id: str) -> None:
        self._of = of
        self._user = user
        self._run_id = run_id
        self._due_s = trio.current_time()
        self._over = False

    async def receive(self) -> bytes:
        """The next snapshot; trio.EndOfChannel after that of a finished run."""
        if self._over:
            raise trio.EndOfChannel
        try:
            run = await self._of.at(self._user, self._run_id, self._due_s)
        except Missing:  # with its user
            raise trio.EndOfChannel from None
        self._due_s = max(self._due_s + SNAPSHOT_EVERY_S, trio.current_time())
        self._over = run.status == "finished"
        return event(msgspec.json.encode(run), id=FINAL_ID if self._over else None)


@contextmanager
def _snapshots(of: RunService, user: Caller, run_id: str) -> Iterator[_Snapshots]:
    yield _Snapshots(of, user, run_id)
