"""The stage that searches for the highest load a CSMS carries within limits.

`capacity.py` decides the steps, `stages/capacity.py` carries them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import msgspec

from simfleet.documents import quantities
from simfleet.documents.fields import Key
from simfleet.documents.kinds import BAD, Choice, Duration, ScalarKind, Whole
from simfleet.documents.quantities import number_text, shown
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.capacity import steps_expected
from simfleet.load.fleet_fields import CHARGERS_MAX
from simfleet.load.open_fields import PerTime
from simfleet.load.stage_fields import ModeField, StageFields, known
from simfleet.load.threshold_fields import ThresholdMap
from simfleet.load.thresholds import Threshold  # noqa: TC001  read by msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.documents.fields import Draft
    from simfleet.documents.nodes import Report

CONFIRM_MAX: Final = 10
FINENESS: Final = 8
"""Parts of `by` to which a knee is found, unless the stage says otherwise."""


class Load(msgspec.Struct, frozen=True):
    """So many chargers, or sessions a second."""

    amount: float
    is_rate: bool


class LoadKind(ScalarKind):
    """A whole number of chargers, or a rate such as `2/s`."""

    accepts = f"a whole number of chargers, 1 to {CHARGERS_MAX}, or a rate such as 2/s"

    def parse(self, text: str) -> Load:
        """See ScalarKind."""
        if "/" in text:
            per_s = PerTime().parse(text)
            if not per_s:
                raise ValueError(f"{shown(text)} is no load; write {self.accepts}")
            return Load(per_s, is_rate=True)
        chargers = quantities.parse_whole(text)
        if not 1 <= chargers <= CHARGERS_MAX:
            raise ValueError(f"{chargers} is out of range; write {self.accepts}")
        return Load(float(chargers), is_rate=False)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        whole = {"type": "integer", "minimum": 1, "maximum": CHARGERS_MAX}
        return {"anyOf": [whole, PerTime().json_schema()]}

    def written(self, value: Load) -> int | str:
        """See Kind."""
        return f"{number_text(value.amount)}/s" if value.is_rate else int(value.amount)


class Capacity(StageFields, frozen=True, kw_only=True, tag_field="do", tag="capacity"):
    """Raise the load step by step until a limit breaks, and find the highest that keeps them."""

    of: Annotated[
        Literal["chargers", "rate"],
        Key(
            Choice("chargers", "rate"),
            "what is raised: chargers, or sessions a second at the chargers that are there",
        ),
    ]
    start: Annotated[Load, Key(LoadKind(), "the load of the first step", "from")]
    to: Annotated[Load, Key(LoadKind(), "the highest load that is tried")]
    by: Annotated[Load, Key(LoadKind(), "how much higher each step is, until one fails")]
    until: Annotated[
        tuple[Threshold, ...],
        Key(ThresholdMap(plain=True), "the limits: metrics as in `thresholds`, of one step each"),
    ]
    settle_s: Annotated[
        float,
        Key(Duration(0, DAY_S), "how long each load is left alone before it is measured", "settle"),
    ] = 10.0
    hold_s: Annotated[float, Key(Duration(1, DAY_S), "how long each load is measured", "hold")] = (
        30.0
    )
    precision: Annotated[
        Load | None,
        Key(LoadKind(), "how far apart the highest that passed and the lowest that failed may be"),
    ] = None
    confirm: Annotated[
        int,
        Key(Whole(0, CONFIRM_MAX, "times"), "how often the result must pass again to be one"),
    ] = 1
    mode: ModeField = "charging"

    @property
    def precise_to(self) -> float:
        """The precision, in chargers or sessions a second."""
        return _precision(self.by, self.precision)

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """As long as a search can take that meets no contradiction; see `StageFields`."""
        names = ("start", "to", "by", "precision", "confirm", "settle_s", "hold_s")
        values = [get(name) for name in names]
        if not known(*values):
            return BAD
        start, to, by, precision, confirm, settle_s, hold_s = values
        steps = steps_expected(
            start=start.amount,
            top=max(start.amount, to.amount),
            by=by.amount,
            precision=_precision(by, precision),
            confirm=confirm,
        )
        return steps * (settle_s + hold_s)

    @property
    def most(self) -> int | None:
        """See `StageFields`."""
        return None if self.of == "rate" else int(self.to.amount)

    @property
    def most_online(self) -> int | None:
        """Those of the first step: how many more come is what the search finds out."""
        return None if self.of == "rate" or self.mode == "idle" else int(self.start.amount)

    def described(self) -> str:
        """See `StageFields`."""
        low, high = LoadKind().written(self.start), LoadKind().written(self.to)
        return (
            f"capacity search from {low} to {high} {'sessions' if self.of == 'rate' else self.of}"
        )

    def scaled(self, chargers: int, total: int) -> Self:
        """See `StageFields`. A rate stays as it is."""
        if self.of == "rate":
            return self

        def part(load: Load) -> Load:
            amount = max(1, round(load.amount * chargers / total))
            return Load(float(min(amount, max(1, chargers))), is_rate=False)

        precision = None if self.precision is None else part(self.precision)
        return msgspec.structs.replace(
            self, start=part(self.start), to=part(self.to), by=part(self.by), precision=precision
        )


def _precision(by: Load, precision: Load | None) -> float:
    if precision is not None:
        return precision.amount
    return by.amount / FINENESS if by.is_rate else max(1.0, by.amount // FINENESS)


def check_capacity(draft: Draft, total: int | None, report: Report) -> None:
    """Report searches that contradict themselves, and more than one; `total` is the size of the
    fleet, if it is known.
    """
    stages = draft.get("stages")
    searches = [
        stage
        for stage in (() if stages is BAD else stages)
        if stage is not BAD and stage.struct is Capacity
    ]
    for stage in searches[1:]:
        report(stage.place, stage.path, "a run has one search; write a scenario for each")
    for stage in searches:
        _check_units(stage, report)
        _check_bounds(stage, total, report)


def _check_units(stage: Draft, report: Report) -> None:
    of = stage.get("of")
    for attribute in ("start", "to", "by", "precision"):
        load = stage.get(attribute)
        if BAD in (of, load) or load is None or load.is_rate == (of == "rate"):
            continue
        instead = "a rate such as 2/s" if of == "rate" else "a whole number of chargers"
        name = {"start": "from"}.get(attribute, attribute)
        message = f"with of: {of}, write {instead}"
        report(stage.place_of(attribute), f"{stage.path}.{name}", message)


def _check_bounds(stage: Draft, total: int | None, report: Report) -> None:
    start, to, by, precision = (stage.get(name) for name in ("start", "to", "by", "precision"))
    if BAD in (start, to, by, precision):
        return
    if start.amount > to.amount:
        message = f"is below `from`; write {LoadKind().written(start)} or more"
        report(stage.place_of("to"), f"{stage.path}.to", message)
    if precision is not None and precision.amount > by.amount:
        message = f"is coarser than `by`; write {LoadKind().written(by)} or less"
        report(stage.place_of("precision"), f"{stage.path}.precision", message)
    if not to.is_rate and total is not None and to.amount > total:
        message = f"{to.amount:g} chargers are more than the fleet has; write 1 to {total}"
        report(stage.place_of("to"), f"{stage.path}.to", message)
    if not stage.get("until") and stage.get("until") is not BAD:
        message = 'is empty; write what must hold, such as call.response.p99: "< 500ms"'
        report(stage.place_of("until"), f"{stage.path}.until", message)
