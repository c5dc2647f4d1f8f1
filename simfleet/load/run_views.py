"""A run as users see it, and as the store keeps it: one struct for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from simfleet.load.progress import Progress

if TYPE_CHECKING:
    from simfleet.load.verdict import Verdict

RunStatus = Literal["queued", "running", "finished"]
RunResult = Literal[
    "passed",
    "threshold_failed",
    "aborted",
    "invalid",
    "ledger_broken",
    "interrupted",
    "target_lost",
    "refused",
    "crashed",
]
ARTEFACTS: Final = (
    *("report.html", "summary.json", "run.hlog", "errors.jsonl", "manifest.json"),
    *("timeline.csv", "actions.csv", "junit.xml", "summary.md"),
)
"""What may be downloaded, and nothing else."""
_CUT_SHORT: Final = "the service ended before the run did"


class RunVerdict(msgspec.Struct, frozen=True):
    """How a run ended. `result` as in `summary.json`, besides `refused` (it never began: the CSMS
    cannot be reached, the folder cannot be written) and `crashed` (a bug of ours).
    """

    result: RunResult
    reasons: list[str] = []
    generator: Literal["VALID", "SUSPECT", "INVALID"] | None = None
    """Whether the generator kept up; null for a run that measured nothing."""

    @classmethod
    def of(cls, verdict: Verdict) -> RunVerdict:
        """What `summary.json` says."""
        return msgspec.convert(msgspec.to_builtins(verdict), cls)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Times are UTC. While it is queued (accepted, not begun) and once it is finished there
    is no progress; before it is finished there is no verdict.
    """

    id: str
    scenario: str
    """The name in the scenario."""
    status: RunStatus
    chargers: int
    target: str
    """`embedded`, or the URL of the CSMS."""
    planned_s: float
    """How long the stages take together."""
    created_at: str
    began_at: str | None = None
    ended_at: str | None = None
    stopping: bool = False
    """It was told to stop, and is about to."""
    progress: Progress | None = None
    verdict: RunVerdict | None = None


class RunDetail(Run, frozen=True, kw_only=True):
    """One run with what it left behind: `summary` is `summary.json`, once the run is finished."""

    files: list[str] = []
    """Artefacts that can be downloaded."""
    summary: dict[str, Any] | None = None


_DECODER: Final = msgspec.json.Decoder(Run)


def stored(run: Run) -> bytes:
    """A run as the store keeps it."""
    return msgspec.json.encode(msgspec.structs.replace(run, progress=None, stopping=False))


def as_left_behind(document: bytes) -> Run:
    """A run that no task of this process carries out. One that had not finished was cut short by
    the end of the service, which may have been too sudden to write that down.
    """
    run = _DECODER.decode(document)
    if run.status == "finished":
        return run
    verdict = RunVerdict("interrupted", [_CUT_SHORT])
    return msgspec.structs.replace(run, status="finished", verdict=verdict)
