"""/api/runs/{run_id}/actions: what is done to a run while it goes on, and what was."""

from __future__ import annotations

from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.load.live.actions import ActionTaken, LiveAction

__all__ = ["live"]

live = Blueprint("live", __name__)


@route(
    live,
    "POST",
    "/api/runs/{run_id}/actions",
    summary="Change a run while it goes on: pause, target, rate, mode, kill, fault, extend, skip",
    description=(
        "409 when it cannot be done just now, with a code that says why; nothing has changed then."
        " Each action is recorded in the run, with who asked for it, and drawn on its charts."
        " Answers at once: chargers come and go one by one."
    ),
    body=LiveAction,
    answers={200: ActionTaken},
    errors=(409,),
)
async def act_on_run(run_id: str, body: LiveAction) -> ActionTaken:
    taken: ActionTaken = await services().runs.act(await current_user(), run_id, body)
    return taken


@route(
    live,
    "GET",
    "/api/runs/{run_id}/actions",
    summary="What was done to a run while it went on, the oldest first; refused ones, too",
    answers={200: list[ActionTaken]},
)
async def list_run_actions(run_id: str) -> list[ActionTaken]:
    taken: list[ActionTaken] = await services().runs.actions(await current_user(), run_id)
    return taken
