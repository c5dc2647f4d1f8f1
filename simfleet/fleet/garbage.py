"""Keeps the cycle collector from stopping the world.

A full collection walks every object: 100 ms and more at 10,000 chargers, during which all of them
are late. Chargers make hardly any cycles, so the collector is asked to run rarely, and what has
settled is taken out of its sight.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

THRESHOLDS: Final = (10_000, 3, 1_000)
"""New objects for a collection of the youngest generation, and of those for the older ones. The
middle one walks the survivors of three young ones, a few milliseconds; more would be a pause."""


@contextmanager
def calm_garbage() -> Iterator[None]:
    """Collect rarely inside, after one collection; afterwards everything is as it was.

    Within another such block the collection is left out: it would stop the world of a service.
    """
    before = gc.get_threshold()
    if before != THRESHOLDS:
        gc.collect()
        gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def settle_garbage() -> None:
    """Take all that lives now out of the collector's sight; constant time."""
    gc.freeze()
