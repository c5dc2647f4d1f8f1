"""Chance: where every random number of a virtual charger comes from.

A `random.Random` holds 2.5 KiB of state; ten thousand of them are 25 MiB. `Chance` holds one 64-bit
integer (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
2014), which is plenty for think times, energies and tags. It is no source of secrets.
"""

from __future__ import annotations

import hashlib
import math
import random
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN = 0x9E37_79B9_7F4A_7C15
_TO_UNIT = 2.0**-53


class Chance:
    """A seeded stream of random numbers; the same state gives the same stream on every machine."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state & _MASK

    @classmethod
    def of(cls, seed: int | str, index: int) -> Chance:
        """The stream of charger number `index` of a run: the same on one worker or on sixteen."""
        return cls(random.Random(f"{seed}:{index}").getrandbits(64))

    def bits(self) -> int:
        """The next 64 random bits, as an integer from 0 to 2**64 - 1."""
        self._state = state = (self._state + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
        return state ^ (state >> 31)

    def random(self) -> float:
        """A number at or above 0 and below 1."""
        return (self.bits() >> 11) * _TO_UNIT

    def uniform(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        # Rounding may carry the sum past `high` when the two are close together.
        return min(high, low + (high - low) * self.random())

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included. ValueError when there is none."""
        if low > high:
            raise ValueError(f"no whole number lies between {low} and {high}")
        return low + (self.bits() * (high - low + 1) >> 64)

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, each as likely as the others. IndexError when there are none."""
        return options[self.bits() * len(options) >> 64]

    def hex(self, digits: int) -> str:
        """`digits` random hexadecimal digits in capitals, as an RFID reader prints a tag."""
        text = ""
        while len(text) < digits:
            text += f"{self.bits():016X}"
        return text[:digits]

    def fork(self, label: str) -> Chance:
        """An independent stream for one purpose; this one is not moved on.

        Two forks with one label taken at the same point are equal, so a charger that draws one more
        tag does not shift its think times.
        """
        digest = hashlib.blake2b(f"{self._state}:{label}".encode(), digest_size=8).digest()
        return Chance(int.from_bytes(digest, "big"))


class Span(msgspec.Struct, frozen=True, gc=False):
    """A range of values, both ends included, from which one is drawn: `think_time: 5s..20s`.

    ValueError when the ends are not finite or in the wrong order.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(
                f"a span runs from a lower to a higher number, not {self.low}..{self.high}"
            )

    def draw(self, chance: Chance) -> float:
        """One value of the span, evenly distributed."""
        return self.low if self.low == self.high else chance.uniform(self.low, self.high)
