"""What the drivers of a scenario do."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from simfleet.documents.fields import Key
from simfleet.documents.kinds import Duration, Measure
from simfleet.documents.ranges import Range
from simfleet.station.chance import Span
from simfleet.station.distributions import Distribution

DAY_S: Final = 86_400.0

_KWH = 1000.0


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What drivers do in mode `charging`: plug, authorize, charge, stop, unplug, pause, again."""

    think_time_s: Annotated[
        Distribution,
        Key(
            Range(Duration(0, DAY_S)),
            "how long each step of a human takes: tag after cable, cable after stop",
            "think_time",
        ),
    ] = Span(5, 20)
    energy_wh: Annotated[
        Distribution,
        Key(
            Range(Measure(0.001, 1000, "kWh", scale=_KWH)),
            "energy wanted by each session, in kWh",
            "energy_kwh",
        ),
    ] = Span(5_000, 40_000)
    pause_s: Annotated[
        Distribution,
        Key(
            Range(Duration(0, DAY_S)),
            "how long a connector stays free between two sessions",
            "pause",
        ),
    ] = Span(10, 60)
    dwell_s: Annotated[
        Distribution | None,
        Key(
            Range(Duration(0, DAY_S)),
            "how long a car stays plugged in once it takes no more; none: the driver is back at"
            " once",
            "dwell",
        ),
    ] = None
