"""The cycle collector, kept calm."""

from __future__ import annotations

import gc
import weakref

import pytest

from simfleet.fleet.garbage import THRESHOLDS, calm_garbage, settle_garbage


class Node:
    """Refers to itself, so only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


def test_the_collector_runs_rarely_inside_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with calm_garbage():
        assert gc.get_threshold() == THRESHOLDS
        assert gc.isenabled()
    assert gc.get_threshold() == before


def test_thresholds_come_back_after_an_error() -> None:
    @calm_garbage()
    def fail() -> None:
        settle_garbage()
        raise RuntimeError

    before = gc.get_threshold()
    with pytest.raises(RuntimeError):
        fail()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_has_settled_is_out_of_sight_until_the_end() -> None:
    with calm_garbage():
        node = Node()
        gone = weakref.ref(node)
        settle_garbage()
        assert gc.get_freeze_count() > 0
        del node
        gc.collect()
        assert gone() is not None
    gc.collect()
    assert gone() is None
