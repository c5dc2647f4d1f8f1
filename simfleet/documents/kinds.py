"""What one value in a document may be: how its text is read, and how that is said to an editor.

Reading reports problems instead of raising them, so that one pass finds all of them.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

from simfleet.documents import quantities
from simfleet.documents.nodes import Items, Node, Pairs, Place, Report, Scalar
from simfleet.documents.quantities import number_text, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# What reading gives: whatever type the struct declares for the field, a Draft of it, or BAD.
Value: TypeAlias = Any
BAD: Value = object()  # what reading gives for a value that was reported


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'count'?` for a near miss, else nothing."""
    near = difflib.get_close_matches(word[:60], list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


class Kind(ABC):
    """What a value may be: how it is read, and how that is said to an editor."""

    accepts: str  # completes "write ..." and "... is expected"

    @abstractmethod
    def read(self, node: Node, path: str, report: Report) -> Value:
        """The value in base units, a Draft or a collection; BAD once a problem was reported."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the value as written."""

    def written(self, value: Value) -> Value:
        """The value as it would be written in YAML; the inverse of `read`."""
        return value


def described(node: Node) -> str:
    """What the node is, for a message that says what it should be."""
    match node:
        case Pairs():
            return "a mapping"
        case Items():
            return "a list"
        case Scalar():
            return shown(node.text) if node.text or not node.plain else "nothing"


class ScalarKind(Kind):
    """A kind that is one value, read from its text."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value. Raises ValueError with a message that says what would be accepted."""

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Scalar):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
        elif node.plain and node.text in ("", "~", "null"):
            report(node.place, path, f"is empty; write {self.accepts}, or leave the key out")
        else:
            try:
                return self.parse_scalar(node)
            except ValueError as problem:
                report(node.place, path, str(problem))
        return BAD

    def parse_scalar(self, scalar: Scalar) -> Value:
        """As `parse`; for kinds to which quotes make a difference."""
        return self.parse(scalar.text)


class Text(ScalarKind):
    """Text of bounded length. A bare number or true/false is refused: quotes say text is meant."""

    def __init__(
        self,
        accepts: str,
        *,
        pattern: str = "[^\\x00-\\x1f\\x7f]*",
        length_max: int,
        empty: bool = False,
    ) -> None:
        self.accepts = accepts
        self._pattern = pattern
        self._length_max = length_max
        self._length_min = 0 if empty else 1

    def parse_scalar(self, scalar: Scalar) -> str:
        """See ScalarKind."""
        if scalar.plain and not scalar.given and _looks_typed(scalar.text):
            raise ValueError(f'{scalar.text} is not text; put it in quotes: "{scalar.text}"')
        return self.parse(scalar.text)

    def parse(self, text: str) -> str:
        """See ScalarKind."""
        if len(text) < self._length_min:
            raise ValueError(f"is empty; write {self.accepts}")
        if len(text) > self._length_max:
            raise ValueError(f"{shown(text)} is longer than {self._length_max} characters")
        if not re.fullmatch(self._pattern, text):
            raise ValueError(f"{shown(text)} is not accepted; write {self.accepts}")
        return text

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        schema: dict[str, Any] = {"type": "string", "maxLength": self._length_max}
        if self._length_min:
            schema["minLength"] = self._length_min
        return schema | {"pattern": f"^(?:{self._pattern})$"}


def _looks_typed(text: str) -> bool:
    """Whether YAML 1.2 reads the plain text as a number or a truth value."""
    return bool(re.fullmatch(quantities.NUMBER_PATTERN, text)) or text.lower() in ("true", "false")


class Parsed(ScalarKind):
    """Text with a grammar of its own: a parser raising ValueError, and the pattern for editors."""

    def __init__(self, accepts: str, parse: Callable[[str], Any], *, pattern: str) -> None:
        self.accepts = accepts
        self._parse = parse
        self._pattern = pattern

    def parse(self, text: str) -> Value:
        """See ScalarKind."""
        return self._parse(text)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "string", "pattern": f"^(?:{self._pattern})$"}


class Choice(ScalarKind):
    """One of a few words. `instead` maps words that people write to what to say about them."""

    def __init__(self, *words: str, instead: Mapping[str, str] | None = None) -> None:
        self.accepts = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        self._words = words
        self._instead = instead or {}

    def parse(self, text: str) -> str:
        """See ScalarKind."""
        if text in self._words:
            return text
        if text in self._instead:
            raise ValueError(f"{shown(text)} {self._instead[text]}")
        near = did_you_mean(text, self._words)
        raise ValueError(f"{shown(text)} is not accepted; write {self.accepts}{near}")

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"enum": list(self._words)}


class Flag(ScalarKind):
    """true or false, as YAML 1.2 and JSON write them."""

    accepts = "true or false"

    def parse_scalar(self, scalar: Scalar) -> bool:
        """See ScalarKind."""
        if (scalar.plain or scalar.given) and scalar.text in ("true", "false"):
            return scalar.text == "true"
        raise ValueError(f"{shown(scalar.text)} is not accepted; write {self.accepts}")

    def parse(self, text: str) -> bool:
        """See ScalarKind."""
        return self.parse_scalar(Scalar(Place(""), text, plain=True))

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "boolean"}


class Whole(ScalarKind):
    """A whole number in a range."""

    def __init__(self, low: int, high: int, unit: str = "") -> None:
        self._low, self._high = low, high
        of_what = f" of {unit}" if unit else ""
        self.accepts = f"a whole number{of_what}, {low} to {high}" if low < high else f"{low}"

    def parse_scalar(self, scalar: Scalar) -> int:
        """See ScalarKind."""
        bare = scalar.plain or scalar.given
        value = quantities.parse_whole(scalar.text) if bare else None
        if value is None:
            raise ValueError(f"{shown(scalar.text)} is text; write {self.accepts}, without quotes")
        if not self._low <= value <= self._high:
            raise ValueError(f"{value} is out of range; write {self.accepts}")
        return value

    def parse(self, text: str) -> int:
        """See ScalarKind."""
        return self.parse_scalar(Scalar(Place(""), text, plain=True))

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "integer", "minimum": self._low, "maximum": self._high}


class Measure(ScalarKind):
    """A bare number whose unit is in the key (`max_power_kw`); kept as `scale` times the number."""

    def __init__(self, low: float, high: float, unit: str, *, scale: float) -> None:
        self.low, self.high, self.unit = low, high, unit
        self._scale = scale
        self.range_text = f"{number_text(low)} to {number_text(high)}"
        self.accepts = f"a number of {unit}, {self.range_text}"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most that it may be, in base units."""
        return self.low * self._scale, self.high * self._scale

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        if text.lower().endswith(self.unit.lower()):
            bare = text[: -len(self.unit)].strip()
            raise ValueError(f"{shown(text)}: the key has the unit in its name; write {bare}")
        number = quantities.parse_number(text)
        if not self.low <= number <= self.high:
            raise ValueError(f"{shown(text)} is out of range; write {self.accepts}")
        return number * self._scale

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def written(self, value: float) -> Value:
        """See Kind."""
        number = value / self._scale
        return int(number) if number == int(number) else number


class Duration(ScalarKind):
    """A time with its unit, kept in seconds."""

    def __init__(self, low_s: float, high_s: float) -> None:
        self._low_s, self._high_s = low_s, high_s
        low, high = quantities.duration_text(low_s), quantities.duration_text(high_s)
        self.range_text = f"{low} to {high}"
        self.accepts = f"a duration such as 10s or 1m30s, {self.range_text}"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most that it may be, in seconds."""
        return self._low_s, self._high_s

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        seconds = quantities.parse_duration(text)
        if not self._low_s <= seconds <= self._high_s:
            raise ValueError(f"{shown(text)} is out of range; write {self.accepts}")
        return seconds

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "string", "pattern": f"^(?:{quantities.DURATION_PATTERN})$"}

    def written(self, value: float) -> str:
        """See Kind."""
        return quantities.duration_text(value)


class Setting(ScalarKind):
    """A value of a charger's configuration: text, number or true/false, kept as text."""

    accepts = "text, a number, true or false"
    LENGTH_MAX = 500  # CiString500Type

    def parse_scalar(self, scalar: Scalar) -> str:
        """See ScalarKind."""
        text = (
            scalar.text.lower()
            if scalar.plain and scalar.text in ("True", "False", "TRUE", "FALSE")
            else scalar.text
        )
        return self.parse(text)

    def parse(self, text: str) -> str:
        """See ScalarKind."""
        if len(text) > self.LENGTH_MAX:
            raise ValueError(f"{shown(text)} is longer than {self.LENGTH_MAX} characters")
        if not text.isprintable():
            raise ValueError(f"{shown(text)} has control characters; write {self.accepts}")
        return text

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": ["string", "number", "boolean"], "maxLength": self.LENGTH_MAX}
