"""The end of a run: its books compared, its thresholds judged, its summary put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, field

from simfleet.load.audit import Check, audit
from simfleet.load.capacity import search_doubts
from simfleet.load.cases.outcome import CaseBook
from simfleet.load.summary import measure, most_online
from simfleet.load.thresholds import evaluate
from simfleet.load.verdict import Verdict, verdict_of
from simfleet.observe.generator_verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.load.annotations import Annotations
    from simfleet.load.schema1 import Scenario
    from simfleet.load.secrets import Redactor
    from simfleet.load.timeline import Timeline
    from simfleet.observe.health import Health


class Course(Struct):
    """What happened to a run besides its load."""

    interrupted: str | None = None
    """By which signal."""
    aborted: str | None = None
    """By which threshold."""
    cut_off: bool = False
    """The chargers were not brought home, so the books cannot balance."""
    target_lost: str | None = None
    """How the embedded CSMS ended, or another one vanished and did not come back, if it did."""
    csms_books: dict[str, Any] | None = None
    """What the embedded CSMS counted."""
    commands: dict[str, Any] | None = None
    """How the scenario's commands went, if it has any."""
    uploads: dict[str, int] | None = None
    """What the run's own file server did, if the scenario uses it."""
    wanted: int | None = None
    """How many chargers were to be accepted, where people have changed what the scenario says."""

    cases: CaseBook = field(default_factory=CaseBook)
    """What came of the scenario's cases."""


class Finished(Struct, frozen=True):
    """The result of a run."""

    summary: dict[str, Any]
    verdict: Verdict
    checks: list[Check]


def conclude(
    scenario: Scenario,
    plans: Sequence[ChargerPlan],
    recorder: Recorder,
    health: Health,
    timeline: Timeline,
    course: Course,
    annotations: Annotations,
    *,
    extra: Mapping[str, Any],
    problems_kept: int,
) -> Finished:
    """Everything that is said about a run that is over; `problems_kept` are in `errors.jsonl`,
    `extra` is what companions of the run have to say.
    """
    summary = {**measure(scenario, recorder, health, timeline, plans=plans), **extra}
    summary["annotations"] = annotations.snapshot()
    summary["problems"] = {"total": recorder.problems_total, "kept": problems_kept}
    summary["worst_chargers"] = recorder.troubled.snapshot()
    summary["scenario_commands"], summary["uploads"] = course.commands, course.uploads
    course.cases.planned = bool(scenario.cases)
    summary |= course.cases.figures()
    wanted = most_online(scenario) if course.wanted is None else course.wanted
    summary["chargers"]["failed"] = max(0, wanted - summary["chargers"]["booted"])
    fleet_books = recorder.ledger.snapshot()
    checks = None if course.cut_off else _audited(plans, recorder, fleet_books, course.csms_books)
    summary["ledger"] = {
        "balanced": None if checks is None else all(check.holds for check in checks),
        "checks": checks or [],
        "fleet": fleet_books,
        "csms": course.csms_books,
    }
    thresholds = evaluate(scenario.thresholds, msgspec.to_builtins(summary))
    verdict = verdict_of(
        thresholds=thresholds,
        checks=checks,
        generator=judge(health.evidence(timeline.ended_s)),
        interrupted=course.interrupted,
        target_lost=course.target_lost,
        wanted=wanted,
        accepted=summary["chargers"]["booted"],
        connected_peak=summary["chargers"]["connected_peak"],
        aborted=course.aborted,
        cases=course.cases.reasons(),
        doubts=search_doubts(summary),
    )
    by_kind = recorder.counters.injected.snapshot()
    summary["injected"] = {
        "total": sum(by_kind.values()),
        "by_kind": by_kind,
        "explained": None if checks is None else sum(check.explained for check in checks),
    }
    summary["thresholds"] = thresholds
    summary["verdict"] = verdict
    return Finished(_ordered(summary), verdict, checks or [])


def _audited(
    plans: Sequence[ChargerPlan],
    recorder: Recorder,
    fleet_books: dict[str, Any],
    csms_books: dict[str, Any] | None,
) -> list[Check]:
    """The books compared; quirks of models explain some of what differs."""
    identities = [plan.identity for plan in plans]
    return audit(
        fleet_books,
        csms_books,
        identities=len(identities),
        unique=len(set(identities)),
        crashed=recorder.counters.crashes.total,
        misleading=sum(
            plan.spec.quirks is not None and plan.spec.quirks.registers_mislead for plan in plans
        ),
        understating=sum(
            plan.spec.quirks is not None
            and plan.spec.version != "ocpp1.6"
            and plan.spec.quirks.energy_understated
            for plan in plans
        ),
    )


def redacted(finished: Finished, redactor: Redactor) -> Finished:
    """The result without the secrets of its scenario."""
    if not redactor:
        return finished
    clean = redactor.clean
    verdict = finished.verdict
    return Finished(
        redactor.clean_tree(msgspec.to_builtins(finished.summary)),
        msgspec.structs.replace(verdict, reasons=[clean(reason) for reason in verdict.reasons]),
        [msgspec.structs.replace(one, detail=clean(one.detail)) for one in finished.checks],
    )


_FIRST: Final = ("schema", "scenario", "seed", "target", "verdict", "thresholds", "load_s")


def _ordered(summary: dict[str, Any]) -> dict[str, Any]:
    """Verdict first: the file is read by people, too."""
    return {**{key: summary[key] for key in _FIRST}, **summary}
