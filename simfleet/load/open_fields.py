"""The open load model: sessions arrive at a rate, whatever the CSMS does.

`stages/open.py` carries it out, `pacers` knows when each arrival is due.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from simfleet.documents import quantities
from simfleet.documents.fields import Key
from simfleet.documents.kinds import (
    BAD,
    Choice,
    Duration,
    Kind,
    Measure,
    ScalarKind,
    Whole,
    described,
)
from simfleet.documents.nodes import Node, Pairs, Report, join
from simfleet.documents.quantities import duration_text, number_text, shown
from simfleet.documents.ranges import Range
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.pacers import Curve
from simfleet.load.stage_fields import StageFields
from simfleet.station.distributions import Distribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.documents.fields import Draft
    from simfleet.documents.kinds import Value

RATE_MAX_PER_S: Final = 1_000.0
QUEUE_MAX: Final = 10_000
CURVE_POINTS_MAX: Final = 96
"""One every quarter of an hour."""

_PER_S: Final = {"s": 1.0, "min": 60.0, "h": 3600.0}
_RATE: Final = re.compile(r"(.+?) ?/ ?(s|min|h)")
_Drawn: TypeAlias = Distribution | None
_TIME_PATTERN: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"


class PerTime(ScalarKind):
    """A rate with its unit, `2/s`, `120/min` or `30/h`; kept per second."""

    accepts = f"a rate such as 2/s, 120/min or 30/h, up to {number_text(RATE_MAX_PER_S)}/s"

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError(f"{shown(text)} is not a rate; write {self.accepts}")
        per_s = quantities.parse_number(found[1]) / _PER_S[found[2]]
        if not 0 <= per_s <= RATE_MAX_PER_S:
            raise ValueError(f"{shown(text)} is out of range; write {self.accepts}")
        return per_s

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "string", "pattern": f"^{quantities.NUMBER_PATTERN} ?/ ?(?:s|min|h)$"}

    def written(self, value: float) -> str:
        """See Kind."""
        return f"{number_text(value)}/s"


class TimeOfDay(ScalarKind):
    """`06:30`, kept in seconds after midnight."""

    accepts = 'a time of day such as "06:30"'

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        if not re.fullmatch(_TIME_PATTERN, text):
            raise ValueError(f"{shown(text)} is not a time of day; write one such as 06:30")
        return float(int(text[:2]) * 3600 + int(text[3:]) * 60)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "string", "pattern": f"^{_TIME_PATTERN}$"}

    def written(self, value: float) -> str:
        """See Kind."""
        return f"{int(value) // 3600:02}:{int(value) // 60 % 60:02}"


class DayShare(ScalarKind):
    """A share of the rate at some time of day: `10%`, or a number up to 1; 0 is one, too."""

    accepts = "a share such as 10% or 0.1"

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        number = quantities.parse_number(text.removesuffix("%").rstrip())
        share = number / 100 if text.endswith("%") else number
        if not 0 <= share <= 1:
            raise ValueError(f"{shown(text)} is out of range; write 0% to 100%")
        return share

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": f"^{quantities.NUMBER_PATTERN} ?%$"},
            ]
        }


class CurveKind(Kind):
    """A mapping of times of day to shares; a `Curve`."""

    accepts = 'a mapping of times of day to shares such as {"06:00": 10%, "08:30": 100%}'

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        if not 1 <= len(node.entries) <= CURVE_POINTS_MAX:
            message = f"{len(node.entries)} times of day; write 1 to {CURVE_POINTS_MAX}"
            report(node.place, path, message)
            return BAD
        points: list[tuple[Value, Value]] = []
        for key, entry in node.entries.items():
            here = join(path, key)
            try:
                time_s: Value = TimeOfDay().parse(key)
            except ValueError as problem:
                report(entry.place, here, str(problem))
                time_s = BAD
            points.append((time_s, DayShare().read(entry.value, here, report)))
        if any(BAD in point for point in points):
            return BAD
        if not any(share for _, share in points):
            report(node.place, path, "is 0 all day; write a share above 0% somewhere")
            return BAD
        return Curve(tuple(sorted(points)))

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "type": "object",
            "minProperties": 1,
            "maxProperties": CURVE_POINTS_MAX,
            "patternProperties": {f"^{_TIME_PATTERN}$": DayShare().json_schema()},
            "additionalProperties": False,
        }


class Sessions(StageFields, frozen=True, kw_only=True, tag_field="do", tag="sessions"):
    """Have drivers come at a rate, each for one session at a free connector in mode `connect`."""

    rate_per_s: Annotated[
        float,
        Key(PerTime(), "how many come; with a curve, where it is at 100%", "rate"),
    ]
    for_s: Annotated[float, Key(Duration(0, 7 * DAY_S), "how long the stage takes", "for")]
    to_per_s: Annotated[
        float | None,
        Key(PerTime(), "the rate at the end of the stage, reached evenly; else `rate`", "to"),
    ] = None
    arrivals: Annotated[
        Literal["constant", "poisson"],
        Key(
            Choice("constant", "poisson"),
            "constant: at even distances; poisson: at random ones, as people come who know nothing"
            " of one another",
        ),
    ] = "constant"
    curve: Annotated[
        Curve | None,
        Key(CurveKind(), "the share of the rate by time of day; else that of the scenario"),
    ] = None
    energy_wh: Annotated[
        _Drawn,
        Key(
            Range(Measure(0.001, 1000, "kWh", scale=1000.0)),
            "energy wanted by each, in kWh; else what `behaviour` says",
            "energy_kwh",
        ),
    ] = None
    think_time_s: Annotated[
        _Drawn,
        Key(
            Range(Duration(0, DAY_S)),
            "how long each step of these drivers takes; else what `behaviour` says",
            "think_time",
        ),
    ] = None
    queue: Annotated[
        int,
        Key(
            Whole(0, QUEUE_MAX, "drivers"),
            "how many may wait for a free connector; who finds none and no place to wait is"
            " turned away",
        ),
    ] = 0
    first: Annotated[
        Literal["random", "at_once"],
        Key(
            Choice("random", "at_once"),
            "of constant arrivals, when the first comes: within the first interval, at a moment"
            " that the seed decides, or at once",
        ),
    ] = "random"

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return get("for_s")

    def described(self) -> str:
        """See `StageFields`."""
        to = "" if self.to_per_s is None else f" to {rate_text(self.to_per_s)}"
        how = f"{self.arrivals} " if self.arrivals != "constant" else ""
        lasting = duration_text(self.for_s)
        return f"{how}sessions at {rate_text(self.rate_per_s)}{to} for {lasting}"


def rate_text(per_s: float) -> str:
    """A rate for people: per second, or per hour where that would be less than one."""
    return f"{per_s:.4g}/s" if per_s >= 1 or not per_s else f"{per_s * 3600:.4g}/h"


def check_sessions(draft: Draft, report: Report) -> None:
    """Report stages of sessions that contradict themselves, or to which nobody could come."""
    stages = draft.get("stages")
    common = draft.get("curve")
    mode: Any = None
    for stage in () if stages is BAD else stages:
        if stage is BAD:
            mode = None
        elif stage.struct is Sessions:
            _check_curve(stage, common, report)
            if mode in ("idle", "charging"):
                message = (
                    f"drivers come to chargers in mode connect, and here they are in mode {mode};"
                    " write mode: connect in the stage that brings them up"
                )
                report(stage.place, stage.path, message)
        elif "mode" in stage.struct.__struct_fields__ and stage.struct.__name__ != "Spike":
            mode = stage.values.get("mode")


def _check_curve(stage: Draft, common: Any, report: Report) -> None:
    to, own = stage.get("to_per_s"), stage.get("curve")
    if to in (BAD, None) or own is BAD or common is BAD or (own is None and common is None):
        return
    message = "a rate that follows a curve cannot be ramped as well; leave `to` out"
    if own is None:
        message += ", or write the scenario's `curve` into the stages that follow it"
    report(stage.place_of("to_per_s"), f"{stage.path}.to", message)
