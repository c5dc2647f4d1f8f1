"""Counts by name, in bounded memory, whoever makes up the names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import ItemsView

TALLY_KEYS_MAX: Final = 64
"""Distinct keys of one tally; counts of further ones go to `TALLY_OTHER`."""
TALLY_KEY_MAX_CHARS: Final = 80
"""Longer keys are cut; OCPP's longest error code has 29 characters, its longest action 32."""
TALLY_OTHER: Final = "(other)"


class Tally:
    """Counts per name, most of them names a peer made up; bounded by `TALLY_KEYS_MAX`."""

    __slots__ = ("_counts",)

    def __init__(self, *keys: str) -> None:
        """Start the given keys at 0, so that a reader sees them even if they never happen."""
        self._counts: dict[str, int] = dict.fromkeys(keys, 0)

    def add(self, key: str, n: int = 1) -> None:
        """Count `n` more of `key`."""
        counts = self._counts
        if key in counts:
            counts[key] += n
            return
        key = key[:TALLY_KEY_MAX_CHARS]
        if key not in counts and len(counts) >= TALLY_KEYS_MAX:
            key = TALLY_OTHER
        counts[key] = counts.get(key, 0) + n

    def __getitem__(self, key: str) -> int:
        return self._counts.get(key, 0)

    def __len__(self) -> int:
        return len(self._counts)

    def items(self) -> ItemsView[str, int]:
        """Return the live (key, count) pairs."""
        return self._counts.items()

    @property
    def total(self) -> int:
        """All counts together."""
        return sum(self._counts.values())

    def snapshot(self) -> dict[str, int]:
        """Return the counts by key, keys in alphabetical order."""
        return dict(sorted(self._counts.items()))
