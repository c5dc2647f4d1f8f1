"""Runs as a service offers them: started, followed and stopped from outside; kept afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import trio
from msgspec import Struct

from simfleet.link.opening import open_link
from simfleet.load.progress import Progress
from simfleet.load.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.clock import WallClock
    from simfleet.link.link import Dialer
    from simfleet.load.generator import Caller, Generator

RunStatus = Literal["queued", "running", "finished"]


class RunView(Struct, frozen=True, kw_only=True):
    """A run as the API shows it; `summary` only in the view of one finished run."""

    id: str
    scenario: str
    status: RunStatus
    created_at: str
    began_at: str | None = None
    ended_at: str | None = None
    planned_s: float
    progress: Progress | None = None
    verdict: Verdict | None = None
    files: list[str] = []
    summary: dict[str, Any] | None = None


class RunService:
    """See the module. `run` must be running; everything else is for the API's handlers."""

    def __init__(
        self,
        *,
        store: Any,
        generator: Generator,
        clock: WallClock,
        folder: Path,
        dial: Dialer = open_link,
    ) -> None:
        """`folder` gets one run folder each; it is made when needed."""
        raise NotImplementedError

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Mark what an earlier process left behind, then carry out runs until cancelled."""

    async def close(self) -> None:
        """End a run in order, within a bound, and keep its result; before `run` is cancelled."""

    async def start(self, user: Caller, content: bytes, *, is_json: bool = False) -> RunView:
        """Begin a run. Raises `ScenarioInvalid` with all problems, and `GeneratorBusy`."""
        raise NotImplementedError

    async def all_of(self, user: Caller, *, limit: int = 100) -> list[RunView]:
        """The user's runs, newest first."""
        raise NotImplementedError

    async def find(self, user: Caller, run_id: str) -> RunView:
        """One run. Raises `Missing` (RUN_NOT_FOUND)."""
        raise NotImplementedError

    async def stop(self, user: Caller, run_id: str, *, now: bool = False) -> RunView:
        """End the stages and bring the chargers home; `now`: cut everything off."""
        raise NotImplementedError

    async def next_view(self, user: Caller, run_id: str, *, due_s: float) -> RunView:
        """The run at `due_s`, monotonic, or at its end if that is sooner."""
        raise NotImplementedError

    async def file(self, user: Caller, run_id: str, name: str) -> Path:
        """Where an artefact is. Raises `Missing` for a name that no run has, or has not yet."""
        raise NotImplementedError
