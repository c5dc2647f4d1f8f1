"""When to connect again: what OCPP asks of a station (2.0.1 part 4 section 5.3; 1.6 says nothing,
so its stations do the same).

The first wait is a minimum plus chance, each further one twice the wait before plus chance, until
it has doubled a number of times; from then on it stays. Chance is what keeps ten thousand chargers
from coming back as one: it is in the first wait already, and doubling spreads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.device_model_keys import RANDOM_RANGE, REPEAT_TIMES, WAIT_MINIMUM

if TYPE_CHECKING:
    from simfleet.station.chance import Chance
    from simfleet.station.configuration import Configuration

CALM_S: Final = 60.0
"""A connection that lasted this long ends the count of failures: a CSMS that takes everybody in and
throws them out again is not to be stormed either."""
CRASH_PAUSE_MAX_S: Final = 60.0


class BackOff(Struct, frozen=True):
    """RetryBackOffWaitMinimum, RetryBackOffRandomRange (seconds), RetryBackOffRepeatTimes."""

    wait_minimum_s: float = 1.0
    random_range_s: float = 5.0
    repeat_times: int = 3

    @property
    def longest_s(self) -> float:
        """The longest wait there can be."""
        factor: float = 2.0**self.repeat_times
        return factor * self.wait_minimum_s + (2.0 * factor - 1.0) * self.random_range_s

    def next_s(self, previous_s: float, *, failures: int, chance: Chance) -> float:
        """How long to wait after the `failures`-th failure in a row (from 1); `previous_s` is the
        wait after the one before.
        """
        if failures <= 1:
            return self.wait_minimum_s + chance.uniform(0.0, self.random_range_s)
        if failures - 1 > self.repeat_times:
            return previous_s
        return 2.0 * previous_s + chance.uniform(0.0, self.random_range_s)


BACK_OFF: Final = BackOff()


def back_off_of(configuration: Configuration) -> BackOff:
    """What the variables of a station of 2.x say; a station of 1.6 has none of them."""
    if configuration.get(WAIT_MINIMUM) is None:
        return BACK_OFF
    return BackOff(
        configuration.seconds(WAIT_MINIMUM),
        configuration.seconds(RANDOM_RANGE),
        configuration.whole(REPEAT_TIMES),
    )


def crash_pause_s(crashes: int, chance: Chance) -> float:
    """How long a charger whose task crashed (a bug of ours) stays away, after so many crashes in a
    row (from 1).
    """
    return chance.uniform(0.0, min(CRASH_PAUSE_MAX_S, 2.0 ** min(crashes, 16)))
