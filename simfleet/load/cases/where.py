"""What a case expects of a message: paths into its payload, and what must be found there. Pure.

    status: Charging                    the value itself; a number and its text are the same
    meterStart: ">= 0"                  ==  !=  <  <=  >  >=  ~ (contains); numbers and date-times
    status: [Charging, SuspendedEV]     one of these
    info: absent                        or `present`, whatever it is
    meterValue.sampledValue: {measurand: SoC, value: "> 50"}     all of it in one item

A step of a path is a member's name or, of a list, `[0]`; a list without a number on the way means
any item of it. Texts may hold the placeholders of commands.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONDITIONS_MAX: Final = 50
"""In one `where`, nested ones included."""
PATH_MAX: Final = 16
"""Steps of one path."""
SHOWN_MAX: Final = 80
"""Characters of a value in a message."""
CANDIDATES_SHOWN: Final = 3

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "~", "present", "absent", "in"]
_OPERATOR: Final = re.compile(r"(==|!=|<=|>=|<|>|~)\s*(.*)", re.DOTALL)
_STEP: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]*)|\[([0-9]{1,4})\]")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_MISSING: Final = "not there"

Path: TypeAlias = tuple[str | int, ...]


class Comparison(Struct, frozen=True):
    """What one value must be."""

    operator: Operator
    value: Any = None
    """None for present and absent, a tuple for `in`."""

    def holds(self, found: Any) -> bool:
        """Whether a value that was found is as wanted; see `_accepts` for none and for several."""
        match self.operator:
            case "present" | "absent":
                return self.operator == "present"
            case "in":
                return any(same(one, found) for one in self.value)
            case "==":
                return same(self.value, found)
            case "!=":
                return not same(self.value, found)
            case "~":
                return isinstance(found, str) and str(self.value) in found
        return _in_order(self.operator, found, self.value)

    def described(self) -> str:
        """In a few words, after `wanted`."""
        match self.operator:
            case "present" | "absent":
                return self.operator
            case "in":
                return f"one of {', '.join(shown(one) for one in self.value)}"
            case "==":
                return shown(self.value)
            case "~":
                return f"text with {shown(self.value)} in it"
        return f"{self.operator} {self.value}"


class Where(Struct, frozen=True):
    """Conditions that hold together, of one message or of one item in it."""

    conditions: tuple[tuple[Path, Comparison | Where], ...] = ()

    def described(self) -> str:
        """In a few words."""
        return ", ".join(
            f"{path_text(path)} {'has ' if isinstance(wanted, Where) else ''}{wanted.described()}"
            for path, wanted in self.conditions
        )

    def filled(self, fill: Callable[[Any], Any]) -> Where:
        """The same with its placeholders filled by `fill`, which may raise."""
        return Where(
            tuple(
                (
                    path,
                    wanted.filled(fill)
                    if isinstance(wanted, Where)
                    else Comparison(wanted.operator, _filled(wanted.value, fill)),
                )
                for path, wanted in self.conditions
            )
        )

    def texts(self) -> Iterator[str]:
        """Every text in it that may hold placeholders."""
        for _, wanted in self.conditions:
            if isinstance(wanted, Where):
                yield from wanted.texts()
            else:
                values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
                yield from (value for value in values if isinstance(value, str))


class Difference(Struct, frozen=True):
    """Where a message is not as wanted."""

    path: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.path} is {self.found}, wanted {self.wanted}"


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def path_of(text: str) -> Path:
    """A path as written: `meterValue[0].sampledValue.value`. Raises ValueError."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        if steps and text[at] == ".":
            at += 1
        elif steps and text[at] != "[":
            break
        found = _STEP.match(text, at)
        if found is None or (found[2] is not None and (not steps or text[at - 1] == ".")):
            break
        steps.append(found[1] if found[2] is None else int(found[2]))
        at = found.end()
    if at < len(text) or not steps or text.endswith("."):
        message = f"{text[:60]!r} is no path; write names with dots, such as idTagInfo.status"
        raise ValueError(message + " or meterValue[0].timestamp")
    if len(steps) > PATH_MAX:
        raise ValueError(f"{text[:60]!r} has more than {PATH_MAX} steps")
    return tuple(steps)


def path_text(path: Path) -> str:
    """The inverse of `path_of`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def comparison_of(value: Any) -> Comparison:
    """What a value in a scenario means: text with an operator, a list of values, or the value.
    Raises ValueError.
    """
    if isinstance(value, list | tuple):
        if not value or any(isinstance(one, dict | list | tuple) for one in value):
            raise ValueError("a list here has values, of which one is to be found; write some")
        return Comparison("in", tuple(value))
    if not isinstance(value, str):
        return Comparison("==", value)
    text = value.strip()
    if text in ("present", "absent"):
        return Comparison("present" if text == "present" else "absent")
    found = _OPERATOR.fullmatch(text)
    if found is None:
        return Comparison("==", value)
    operator, operand = found[1], found[2].strip()
    if not operand:
        raise ValueError(f"{value[:40]!r} compares with nothing; write a value after {operator}")
    assert operator in get_args(Operator)
    if operator in ("<", "<=", ">", ">=") and _ordinal(operand) is None and "$" not in operand:
        raise ValueError(f"{operand[:40]!r} is neither a number nor a date-time to compare with")
    return Comparison(operator, operand)  # type: ignore[arg-type]


def where_of(wanted: Mapping[str, Any]) -> Where:
    """The conditions of a mapping as JSON has it. Raises ValueError."""
    conditions: list[tuple[Path, Comparison | Where]] = []
    for text, value in wanted.items():
        condition = where_of(value) if isinstance(value, dict) else comparison_of(value)
        conditions.append((path_of(text), condition))
    return Where(tuple(conditions))


def size(where: Where) -> int:
    """How many conditions there are, nested ones included."""
    return sum(size(wanted) if isinstance(wanted, Where) else 1 for _, wanted in where.conditions)


# ── matching ─────────────────────────────────────────────────────────────────────────────────────


def differences(where: Where, payload: Any) -> list[Difference]:
    """In what a payload is not as wanted; nothing if it is."""
    found: list[Difference] = []
    for path, wanted in where.conditions:
        candidates = list(found_at(payload, path))
        if isinstance(wanted, Where):
            found += _nearest(path, wanted, candidates)
        elif not _accepts(wanted, candidates):
            found.append(Difference(path_text(path), wanted.described(), _shown_all(candidates)))
    return found


def matches(where: Where, payload: Any) -> bool:
    """Whether a payload is as wanted."""
    return not differences(where, payload)


def found_at(payload: Any, path: Path) -> Iterator[Any]:
    """The values at a path: none, one or, where there are lists on the way, several."""
    if not path:
        yield payload
        return
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        if isinstance(payload, list) and step < len(payload):
            yield from found_at(payload[step], rest)
    elif isinstance(payload, dict):
        if step in payload:
            yield from found_at(payload[step], rest)
    elif isinstance(payload, list):
        for item in payload:
            yield from found_at(item, path)


def _accepts(wanted: Comparison, candidates: list[Any]) -> bool:
    flat = [
        item
        for candidate in candidates
        for item in (candidate if isinstance(candidate, list) else (candidate,))
    ]
    if wanted.operator in ("present", "absent"):
        return bool(candidates) == (wanted.operator == "present")
    if wanted.operator == "!=":  # of none of them
        return bool(flat) and all(wanted.holds(item) for item in flat)
    return any(wanted.holds(item) for item in flat)


def _nearest(path: Path, wanted: Where, candidates: list[Any]) -> list[Difference]:
    """The differences of the item that comes nearest; none if one has all that is wanted."""
    items = [
        item
        for candidate in candidates
        for item in (candidate if isinstance(candidate, list) else (candidate,))
    ]
    if not items:
        return [Difference(path_text(path), wanted.described(), _MISSING)]
    best = min((differences(wanted, item) for item in items), key=len)
    return [Difference(f"{path_text(path)}.{one.path}", one.wanted, one.found) for one in best]


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def same(wanted: Any, found: Any) -> bool:
    """Whether two values are the same; a number and its text are."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return bool(_word(wanted) == _word(found))
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted == found
    one, other = _number(wanted), _number(found)
    if one is None or other is None:
        return bool(wanted == found)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def _word(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _in_order(operator: str, found: Any, wanted: Any) -> bool:
    one, other = _ordinal(found), _ordinal(wanted)
    if one is None or other is None or type(one) is not type(other):
        return False
    if operator == "<":
        return bool(one < other)  # type: ignore[operator]
    if operator == "<=":
        return bool(one <= other)  # type: ignore[operator]
    if operator == ">":
        return bool(one > other)  # type: ignore[operator]
    return bool(one >= other)  # type: ignore[operator]


def _ordinal(value: Any) -> float | datetime | None:
    """A number, also one in a text, or a date-time with its zone; None for anything else."""
    number = _number(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str) and len(value) <= 40 and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def _filled(value: Any, fill: Callable[[Any], Any]) -> Any:
    return tuple(fill(one) for one in value) if isinstance(value, tuple) else fill(value)


def shown(value: Any) -> str:
    """A value in a message, cut."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


def _shown_all(candidates: list[Any]) -> str:
    if not candidates:
        return _MISSING
    texts = [shown(one) for one in candidates[:CANDIDATES_SHOWN]]
    more = len(candidates) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")
