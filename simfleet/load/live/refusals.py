"""Why a live action is refused. Nothing has changed then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable


class NotRunning(Refused):
    """The load of the run has not begun."""

    code = "NOT_RUNNING"

    def __init__(self) -> None:
        super().__init__("the load has not begun; once it has, the run has progress")


class StagesOver(Refused):
    """The run is being brought home."""

    code = "STAGES_OVER"

    def __init__(self) -> None:
        super().__init__("the stages are over and the chargers are on their way home; stop is left")


class StoppingAlready(Refused):
    """A stop after a stop."""

    code = "STOPPING_ALREADY"

    def __init__(self) -> None:
        super().__init__("the run is stopping already; with now=true everything is cut off")


class PausedAlready(Refused):
    """A pause in a pause."""

    code = "PAUSED_ALREADY"

    def __init__(self) -> None:
        super().__init__("the run is paused already; resume lets it go on")


class NotPaused(Refused):
    """There is nothing to resume."""

    code = "NOT_PAUSED"

    def __init__(self) -> None:
        super().__init__("the run is not paused")


class TargetTooLarge(Refused):
    """The fleet has not so many chargers."""

    code = "TARGET_TOO_LARGE"

    def __init__(self, to: int, most: int) -> None:
        super().__init__(f"{to} chargers; this fleet has 0 to {most}")


class NoArrivals(Refused):
    """No stage with an arrival rate goes on."""

    code = "NO_ARRIVALS"

    def __init__(self) -> None:
        super().__init__("nothing arrives at a rate now; only a stage {do: sessions} has one")


class RateImpossible(Refused):
    """A rate that nothing can arrive at."""

    code = "RATE_IMPOSSIBLE"


class NoChargers(Refused):
    """Nobody is there to whom it could be done."""

    code = "NO_CHARGERS"

    def __init__(self, what: str) -> None:
        super().__init__(f"no charger is {what} now")


class NoSuchSlice(Refused):
    """A slice that the fleet has not."""

    code = "NO_SUCH_SLICE"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"{name!r} is not a slice of the fleet; there is {', '.join(known)}")


class FaultImpossible(Refused):
    """A fault that chargers of this fleet cannot have."""

    code = "FAULT_IMPOSSIBLE"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"fault.{field}: {problem}")


class ImpairmentImpossible(Refused):
    """An impairment that means nothing."""

    code = "IMPAIRMENT_IMPOSSIBLE"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"impairment.{field}: {problem}")


class NoTimeToMove(Refused):
    """The end of a stage stays where it is."""

    code = "NOTHING_TO_EXTEND"

    def __init__(self) -> None:
        super().__init__("0 s move nothing; write seconds above or below 0")
