"""When a metered value will be such and such: looked for ahead of time, so that nobody has to poll
a meter.

Between two moments at which something happens to a connector, its meter and vehicle are determined.
A copy of both is sent ahead: power, current, voltage and temperature rise or fall steadily between
the bends of the charge curve, so the first stretch at whose end the condition holds is cut in
halves until the moment is known to a millisecond.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading

NEVER_S: Final = float("inf")
HORIZON_S: Final = 6 * 3600.0
"""As far as anybody looks; then anew."""
PRECISION_S: Final = 0.001
_CUTS: Final = 4
"""Parts of a stretch that are looked at; a value that turns within one of them is missed."""


def basis(connector: Connector) -> object:
    """What the values to come hang on: as long as this is equal, a forecast holds."""
    vehicle = connector.vehicle
    return connector.phase, connector.offered_w, id(vehicle), connector.meter.spec


def first(
    connector: Connector, holds: Callable[[Reading], bool], *, at_s: float
) -> tuple[float, bool]:
    """The first moment after `at_s` at which `holds`, and True; or how far was looked, and False
    (infinity: nothing will change by itself). The connector has been metered to `at_s`.
    """
    horizon_s = min(connector.change_due_s, at_s + HORIZON_S)
    still = _ahead(connector, at_s + HORIZON_S).reading() == connector.reading()
    if still:
        return NEVER_S, False
    before_s, before = at_s, connector
    for moment_s in _moments(connector, at_s, horizon_s):
        scout = _ahead(before, moment_s)
        if holds(scout.reading()):
            return _cut(before, before_s, moment_s, holds), True
        before_s, before = moment_s, scout
    return horizon_s, False


def _ahead(connector: Connector, at_s: float) -> Connector:
    """The connector as it will be, if nothing happens to it."""
    scout = copy.copy(connector)
    scout.meter = copy.copy(connector.meter)
    scout.vehicle = None if connector.vehicle is None else connector.vehicle.copy()
    scout.meter_to(at_s)
    return scout


def _moments(connector: Connector, at_s: float, horizon_s: float) -> list[float]:
    """The ends of the stretches of the charge curve, and some moments between them."""
    ends = [horizon_s]
    vehicle, meter = connector.vehicle, connector.meter
    if vehicle is not None:
        bends = vehicle.bends_s(meter.spec.usable_w(connector.offered_w, vehicle))
        ends += [at_s + bend_s for bend_s in bends if at_s + bend_s < horizon_s]
    moments: list[float] = []
    begin_s = at_s
    for end_s in sorted(ends):
        step_s = (end_s - begin_s) / _CUTS
        moments += [begin_s + step_s * number for number in range(1, _CUTS + 1)]
        begin_s = end_s
    return [moment_s for moment_s in moments if moment_s > at_s]


def _cut(
    before: Connector, since_s: float, until_s: float, holds: Callable[[Reading], bool]
) -> float:
    """The moment between two at which it begins to hold, not before it does."""
    while until_s - since_s > PRECISION_S:
        middle_s = (since_s + until_s) / 2
        if holds(_ahead(before, middle_s).reading()):
            until_s = middle_s
        else:
            since_s = middle_s
    return until_s
