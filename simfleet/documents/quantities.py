"""Quantities as people write them in YAML, and as the rest of SimFleet uses them.

Text has units (`1m30s`), code has base units (90.0 seconds). Every `parse_*` raises ValueError with
a message that names the value and says what would be accepted; every `*_text` gives back text that
parses to the same value.
"""

from __future__ import annotations

import re
from decimal import Decimal

DURATION_EXAMPLES = "500ms, 10s, 2m or 1h"
# Hours, minutes, seconds, milliseconds, in that order, each at most once; twelve digits are plenty.
_DIGITS = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
DURATION_PATTERN = rf"(?=[0-9])(?:{_DIGITS}h)?(?:{_DIGITS}m)?(?:{_DIGITS}s)?(?:{_DIGITS}ms)?"
NUMBER_PATTERN = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
WHOLE_PATTERN = r"[-+]?[0-9]+"

_PART = re.compile(rf"({_DIGITS})(ms|h|m|s)")
_UNIT_S = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_NUMBER_LENGTH_MAX = (
    40  # longer than any number somebody means; int() of a megabyte of digits is slow
)


def shown(text: str) -> str:
    """The text in quotes, on one line and cut at 60 characters, for use in a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def parse_number(text: str) -> float:
    """A finite decimal number, without a unit."""
    if len(text) <= _NUMBER_LENGTH_MAX and re.fullmatch(NUMBER_PATTERN, text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"{shown(text)} is too large")
        return value
    if "_" in text and re.fullmatch(NUMBER_PATTERN, text.replace("_", "")):
        raise ValueError(f"{shown(text)} is not a number; write {text.replace('_', '')}")
    raise ValueError(f"{shown(text)} is not a number; write digits only, such as 7.4")


def parse_whole(text: str) -> int:
    """A whole number in decimal digits; no leading zeros, which YAML versions read differently."""
    if re.fullmatch(WHOLE_PATTERN, text):
        if len(text) > _NUMBER_LENGTH_MAX:
            raise ValueError(f"{shown(text)} is too large")
        bare = text.lstrip("+-")
        if len(bare) > 1 and bare.startswith("0"):
            raise ValueError(f"{shown(text)} has leading zeros; write {int(text)}")
        return int(text)
    if "_" in text and re.fullmatch(WHOLE_PATTERN, text.replace("_", "")):
        raise ValueError(f"{shown(text)} is not a whole number; write {text.replace('_', '')}")
    raise ValueError(f"{shown(text)} is not a whole number")


def number_text(value: float) -> str:
    """The shortest text of a number: 22, not 22.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


# ── durations, in seconds ────────────────────────────────────────────────────────────────────────


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `500ms`, `10s` or `1m30s`; a number without unit is refused."""
    if re.fullmatch(DURATION_PATTERN, text):
        return float(sum(Decimal(n) * _UNIT_S[unit] for n, unit in _PART.findall(text)))
    if re.fullmatch(NUMBER_PATTERN, text) and len(text) <= _NUMBER_LENGTH_MAX:
        if text.startswith("-"):
            raise ValueError(f"{shown(text)} is negative; write {DURATION_EXAMPLES}")
        raise ValueError(f"{shown(text)} has no unit; write {text}s or {text}ms")
    raise ValueError(f"{shown(text)} is not a duration; write {DURATION_EXAMPLES}")


def duration_text(seconds: float) -> str:
    """Text of a duration, to the microsecond: `90.0` is `1m30s`, `0.0125` is `12.5ms`."""
    total_us = round(Decimal(seconds) * 1_000_000)
    if total_us == 0:
        return "0s"
    if total_us < 1_000_000:
        return f"{_plain(Decimal(total_us) / 1000)}ms"
    minutes, rest_us = divmod(total_us, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")
    return text + (f"{_plain(Decimal(rest_us) / 1_000_000)}s" if rest_us else "")


def _plain(value: Decimal) -> str:
    """Digits without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def split_range(text: str) -> tuple[str, str]:
    """The two ends of `a..b`; a single value is both ends."""
    low, dots, high = text.partition("..")
    return (low.strip(), high.strip()) if dots else (text, text)
