"""Moments as every version of OCPP writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def timestamp(wall_s: float) -> datetime:
    """A moment (Unix seconds) to the millisecond: many a CSMS cannot read more digits."""
    return _millisecond(round(wall_s * 1000))


@lru_cache(maxsize=1024)
def _millisecond(wall_ms: int) -> datetime:
    """Shared by all that happens in a millisecond: under load that is a dozen messages."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC)
