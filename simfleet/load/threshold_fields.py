"""How thresholds are written: a metric, and a limit or a mapping that says more about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from simfleet.documents.fields import Draft, Key, MapOf, Part
from simfleet.documents.kinds import BAD, Choice, Duration, Flag, Text, Value
from simfleet.documents.nodes import Pairs, join
from simfleet.load import selectors
from simfleet.load import thresholds as limits
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.metrics import BOOKS_PATTERN, METRICS, metric_named
from simfleet.load.storm_fields import STORMS
from simfleet.load.storm_metrics import STORM_PATTERNS, storm_named
from simfleet.load.thresholds import Threshold, WarmUp

if TYPE_CHECKING:
    from simfleet.documents.nodes import Node, Report, Scalar

THRESHOLDS_MAX: Final = 200


class ThresholdFields(msgspec.Struct, frozen=True, kw_only=True):
    """A limit, and what happens when it is broken."""

    limit: Annotated[
        str, Key(Text('a limit in quotes, such as "< 500ms"', length_max=60), "what must hold")
    ]
    abort_on_fail: Annotated[
        bool, Key(Flag(), "whether the run ends, in order, as soon as the limit is broken")
    ] = False
    delay_s: Annotated[
        float,
        Key(
            Duration(0, DAY_S),
            "how much load there must have been before the limit can end the run",
            "delay",
        ),
    ] = 0.0
    warm_up: Annotated[
        WarmUp,
        Key(
            Choice("excluded", "included"),
            "whether a metric of CALLs leaves out the scenario's warm_up",
        ),
    ] = "excluded"


class ThresholdMap(MapOf):
    """Metrics to limits; reads to a tuple of `Threshold`."""

    def __init__(self, *, plain: bool = False) -> None:
        """`plain`: limits only, of any part of a run without a selector."""
        super().__init__(
            "a mapping of metrics to limits",
            check_key=_plain_metric if plain else metric_named,
            read_value=_threshold,
            schema=lambda: _schema(plain=plain),
            count_max=THRESHOLDS_MAX,
            collect=lambda found: tuple(found.values()),
        )
        self._plain = plain
        self._mapping = Part(ThresholdFields, "a mapping")

    def _value(self, key: str, node: Node, path: str, report: Report) -> Value:
        if self._plain or not isinstance(node, Pairs):
            return super()._value(key, node, path, report)
        draft = self._mapping.read(node, path, report)
        if draft is BAD or draft.get("limit") is BAD:
            return BAD
        try:
            threshold = limits.parse(draft.get("limit"), key)
        except ValueError as problem:
            report(draft.place_of("limit"), join(path, "limit"), str(problem))
            return BAD
        others = ("abort_on_fail", "delay_s", "warm_up")
        values = {name: draft.get(name) for name in others}
        if BAD in values.values():
            return BAD
        if values["delay_s"] and not values["abort_on_fail"]:
            message = "a delay is of no use without abort_on_fail: true"
            report(draft.place_of("delay_s"), join(path, "delay"), message)
            return BAD
        return msgspec.structs.replace(threshold, **values)


def _threshold(metric: str, scalar: Scalar) -> Threshold:
    return limits.parse(scalar.text, metric)


def _plain_metric(name: str) -> None:
    metric, _ = metric_named(name)
    if selectors.split(name)[1] != selectors.EVERYTHING:
        raise ValueError("each step is looked at for itself; write the metric without a selector")
    if not metric.of_stage:
        raise ValueError(f"{metric.name} is not known of one step, only of a whole run")


def _schema(*, plain: bool) -> dict[str, Any]:
    patterns = {}
    for metric in METRICS.values():
        name = re.escape(metric.name)
        head, dot, rest = name.partition(r"\.")
        if metric.of_calls or metric.of_commands:
            head += r"(\[[A-Za-z]+\])?"
        if (metric.of_stage or metric.of_slice) and not plain:
            head += f"({selectors.PATTERN})?"
        if plain and not metric.of_stage:
            continue
        limit = {"type": "string", "pattern": limits.pattern_of(metric.kind)}
        patterns[f"^{head}{dot}{rest}$"] = {"description": metric.means} | _written(limit, plain)
    if not plain:
        for kind, pattern in STORM_PATTERNS.items():
            limit = {"type": "string", "pattern": limits.pattern_of(kind)}
            patterns[f"^{pattern}$"] = {"description": "a figure of one storm"} | _written(
                limit, plain
            )
        limit = {"type": "string", "pattern": limits.pattern_of("count")}
        patterns[f"^{BOOKS_PATTERN}$"] = {
            "description": "a count in the books of the embedded CSMS"
        } | _written(limit, plain)
    return {"patternProperties": patterns, "additionalProperties": False}


def _written(limit: dict[str, Any], plain: bool) -> dict[str, Any]:
    if plain:
        return limit
    mapping = Part(ThresholdFields, "a mapping").json_schema()
    properties = mapping["properties"] | {"limit": limit}
    return {"anyOf": [limit, mapping | {"properties": properties}]}


def check_thresholds(draft: Draft, slices: list[Draft], report: Report) -> None:
    """Report what selects nothing: slices, stages and storms that the scenario does not have."""
    thresholds, stages = draft.get("thresholds"), draft.get("stages")
    if thresholds is BAD:
        return
    slice_names = [item.get("name") for item in slices]
    for threshold in thresholds:
        _, selector = selectors.split(threshold.metric)
        key = f"thresholds.{threshold.metric}"
        place, path = draft.place_of(key), join("thresholds", threshold.metric)
        if (
            selector.slice is not None
            and selector.slice not in slice_names
            and BAD not in slice_names
        ):
            known = ", ".join(slice_names)
            message = f"{selector.slice!r} is not a slice of the fleet; write {known}"
            report(place, path, message)
        if selector.stage is not None and stages is not BAD:
            _check_stage(selector.stage, stages, place, path, report)
        storm = storm_named(threshold.metric)
        if storm is not None and stages is not BAD:
            _check_storm(storm, stages, place, path, report)


def _check_stage(wanted: str, stages: list[Any], place: Any, path: str, report: Report) -> None:
    names = [BAD if stage is BAD else stage.get("name") for stage in stages]
    numbers = [str(number) for number in range(len(stages))]
    if BAD in names or wanted in names or wanted in numbers:
        return
    named = [repr(name) for name in names if name is not None]
    known = f"{', '.join(named)}, or " if named else "the name of one (name: peak), or "
    message = f"{wanted!r} is not a stage; write {known}its number, 0 to {len(stages) - 1}"
    report(place, path, message)


def _check_storm(wanted: str, stages: list[Any], place: Any, path: str, report: Report) -> None:
    if BAD in stages:
        return
    names = [stage.get("name") for stage in stages if stage.struct in STORMS]
    if BAD in names or wanted in names:
        return
    named = ", ".join(repr(name) for name in names if name is not None)
    if names and not named:
        named = f"a name into a storm (name: {wanted})"
    known = f"write {named}, or leave [{wanted}] out" if names else "the scenario has none"
    report(place, path, f"{wanted!r} is not the name of a storm; {known}")
