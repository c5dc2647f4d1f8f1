"""A value that is drawn: `5s..20s`, one value, or a named distribution.

    {uniform: {min: 5s, max: 20s}}                    as 5s..20s
    {constant: 10s}                                   as 10s
    {normal: {mean: 10s, sd: 3s, min: 1s, max: 30s}}
    {lognormal: {median: 15, sigma: 0.6, max: 80}}
    {exponential: {mean: 5m, max: 1h}}
    {weibull: {scale: 2h, shape: 1.5}}
    {choice: {7: 50%, 20..40: 2}}

Units are those of the field; `min` and `max` that are left out are the field's own limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.documents import quantities
from simfleet.documents.kinds import (
    BAD,
    Duration,
    Measure,
    ScalarKind,
    Value,
    described,
    did_you_mean,
)
from simfleet.documents.nodes import Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import number_text, shown
from simfleet.station.chance import Span
from simfleet.station.distributions import (
    Choice,
    Distribution,
    Exponential,
    Lognormal,
    Normal,
    Weibull,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHOICES_MAX: Final = 100
WEIGHT_MAX: Final = 1_000_000.0

# Parameters: "value" is in the field's unit, "factor" a plain number.
_SHAPES: Final[Mapping[str, tuple[type[Any], Mapping[str, str]]]] = {
    "normal": (Normal, {"mean": "value", "sd": "value"}),
    "lognormal": (Lognormal, {"median": "value", "sigma": "factor"}),
    "exponential": (Exponential, {"mean": "value"}),
    "weibull": (Weibull, {"scale": "value", "shape": "factor"}),
}
_FACTORS: Final = {"sigma": (0.001, 10.0), "shape": (0.1, 100.0)}
_NAMES: Final = ("uniform", "constant", *_SHAPES, "choice")


class Range(ScalarKind):
    """`a..b`, one value, or a distribution, of a measure or a duration; a Distribution in base
    units, which never leaves the limits of the measure or duration.
    """

    def __init__(self, of: Measure | Duration) -> None:
        self._of = of
        example = "5s..20s" if isinstance(of, Duration) else "5..40"
        unit = "" if isinstance(of, Duration) else f" in {of.unit}"
        self.accepts = f"one value or a range such as {example}{unit}, {of.range_text}"
        self._example = "10s" if isinstance(of, Duration) else "10"

    # ── text ────────────────────────────────────────────────────────────────────────────────────

    def parse(self, text: str) -> Span:
        """See ScalarKind."""
        low_text, high_text = quantities.split_range(text)
        if not low_text or not high_text:
            raise ValueError(f"{shown(text)} is not a range; write {self.accepts}")
        low, high = self._of.parse(low_text), self._of.parse(high_text)
        if low > high:
            raise ValueError(f"{shown(text)} runs backwards; write {high_text}..{low_text}")
        return Span(low, high)

    # ── distributions ───────────────────────────────────────────────────────────────────────────

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            return super().read(node, path, report)
        if len(node.entries) != 1:
            message = f"one distribution is expected here, such as {self._such_as('normal')}"
            report(node.place, path, message)
            return BAD
        name, entry = next(iter(node.entries.items()))
        inner = join(path, name)
        if name == "constant":
            return self._constant(entry.value, inner, report)
        if name == "uniform":
            return self._uniform(entry.value, inner, report)
        if name == "choice":
            return self._choice(entry.value, inner, report)
        if name in _SHAPES:
            return self._shaped(name, entry.value, inner, report)
        message = f"{shown(name)} is no distribution; write one of {', '.join(_NAMES)}"
        report(entry.place, inner, message + did_you_mean(name, _NAMES))
        return BAD

    def _constant(self, node: Node, path: str, report: Report) -> Value:
        value = self._of.read(node, path, report)
        return BAD if value is BAD else Span(value, value)

    def _uniform(self, node: Node, path: str, report: Report) -> Value:
        found = self._parameters("uniform", {"min": "value", "max": "value"}, node, path, report)
        if found is None:
            return BAD
        if found["min"] > found["max"]:
            report(node.place, path, "min is above max; write them the other way round")
            return BAD
        return Span(found["min"], found["max"])

    def _shaped(self, name: str, node: Node, path: str, report: Report) -> Value:
        struct, parameters = _SHAPES[name]
        wanted = {**parameters, "min": "limit", "max": "limit"}
        found = self._parameters(name, wanted, node, path, report)
        if found is None:
            return BAD
        low, high = found.pop("min", self._limits[0]), found.pop("max", self._limits[1])
        try:
            return struct(low=low, high=high, **found)
        except ValueError as problem:
            report(node.place, path, str(problem))
            return BAD

    def _parameters(
        self, name: str, wanted: Mapping[str, str], node: Node, path: str, report: Report
    ) -> dict[str, float] | None:
        """The parameters by name; None once a problem was reported."""
        if not isinstance(node, Pairs):
            message = f"its parameters are expected here, such as {self._such_as(name)}"
            report(node.place, path, f"{message}, not {described(node)}")
            return None
        found: dict[str, Any] = {}
        for key, entry in node.entries.items():
            if key in wanted:
                kind = self._factor(key) if wanted[key] == "factor" else self._of
                found[key] = kind.read(entry.value, join(path, key), report)
            else:
                near = did_you_mean(key, wanted) or ";"
                message = f"unknown key{near} accepted here: {', '.join(wanted)}"
                report(entry.place, join(path, key), message)
                found[key] = BAD
        for key, of_what in wanted.items():
            if key not in found and of_what != "limit":
                report(node.place, path, f"{key!r} is missing; write {self._such_as(name)}")
                found[key] = BAD
        return None if any(value is BAD for value in found.values()) else found

    def _factor(self, name: str) -> Measure:
        low, high = _FACTORS[name]
        return Measure(low, high, "no unit", scale=1.0)

    def _choice(self, node: Node, path: str, report: Report) -> Value:
        if not isinstance(node, Pairs) or not 1 <= len(node.entries) <= CHOICES_MAX:
            message = f"a mapping of 1 to {CHOICES_MAX} values to their weights is expected here"
            report(node.place, path, f"{message}, such as {self._such_as('choice')}")
            return BAD
        spans, weights = [], []
        good = True
        for key, entry in node.entries.items():
            inner = join(path, key)
            try:
                spans.append(self.parse(key))
            except ValueError as problem:
                report(entry.place, inner, str(problem))
                good = False
            try:
                weights.append(_weight(entry.value))
            except ValueError as problem:
                report(entry.value.place, inner, str(problem))
                good = False
        return Choice(tuple(spans), tuple(weights)) if good else BAD

    @property
    def _limits(self) -> tuple[float, float]:
        return self._of.limits

    def _such_as(self, name: str) -> str:
        one = self._example
        return {
            "uniform": f"{{uniform: {{min: {one}, max: {one}}}}}",
            "normal": f"{{normal: {{mean: {one}, sd: {one}}}}}",
            "lognormal": f"{{lognormal: {{median: {one}, sigma: 0.6}}}}",
            "exponential": f"{{exponential: {{mean: {one}}}}}",
            "weibull": f"{{weibull: {{scale: {one}, shape: 1.5}}}}",
            "choice": f"{{choice: {{{one}: 3}}}}",
        }[name]

    # ── for editors ─────────────────────────────────────────────────────────────────────────────

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        one = self._of.json_schema()
        options = [one, {"type": "string", "pattern": f"^{self._range_pattern()}$"}]
        if isinstance(self._of, Duration):
            options = [{"type": "string", "pattern": f"^{self._one_or_range_pattern()}$"}]
        return {"anyOf": [*options, *self._distribution_schemas(one)]}

    def _one(self) -> str:
        duration = isinstance(self._of, Duration)
        pattern = quantities.DURATION_PATTERN if duration else quantities.NUMBER_PATTERN
        return f"(?:{pattern})"

    def _range_pattern(self) -> str:
        return rf"{self._one()} *\.\. *{self._one()}"

    def _one_or_range_pattern(self) -> str:
        return rf"{self._one()}(?: *\.\. *{self._one()})?"

    def _distribution_schemas(self, one: dict[str, Any]) -> list[dict[str, Any]]:
        limits = {"min": one, "max": one}
        made = [
            _only("constant", one),
            _only("uniform", _mapping(limits, ["min", "max"])),
        ]
        for name, (_, parameters) in _SHAPES.items():
            properties = {
                key: self._factor(key).json_schema() if of_what == "factor" else one
                for key, of_what in parameters.items()
            }
            made.append(_only(name, _mapping({**properties, **limits}, list(parameters))))
        weight = {"type": ["number", "string"]}
        choice = {
            "type": "object",
            "patternProperties": {f"^{self._one_or_range_pattern()}$": weight},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": CHOICES_MAX,
        }
        return [*made, _only("choice", choice)]

    def written(self, value: Distribution) -> Value:
        """See Kind."""
        write: Callable[[float], Any] = self._of.written
        if isinstance(value, Span):
            low, high = write(value.low), write(value.high)
            return low if low == high else f"{low}..{high}"
        if isinstance(value, Choice):
            pairs = zip(value.spans, value.weights, strict=True)
            return {"choice": {str(self.written(span)): weight for span, weight in pairs}}
        name = str(value.__struct_config__.tag)
        made = {
            key: write(getattr(value, key)) if of_what == "value" else getattr(value, key)
            for key, of_what in _SHAPES[name][1].items()
        }
        return {name: {**made, "min": write(value.low), "max": write(value.high)}}


def _weight(node: Node) -> float:
    if not isinstance(node, Scalar):
        raise ValueError(f"a weight is expected here, not {described(node)}")
    percent = node.text.endswith("%")
    value = quantities.parse_number(node.text.removesuffix("%").strip())
    if not 0 < value <= WEIGHT_MAX:
        most = number_text(WEIGHT_MAX)
        raise ValueError(f"{shown(node.text)} is no weight; write a number above 0, {most} at most")
    return value / 100 if percent else value


def _only(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return _mapping({key: schema}, [key])


def _mapping(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
