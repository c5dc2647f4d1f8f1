"""What a station knows of energy in both directions (OCPP 2.1, blocks K, Q and R), beside its
charging profiles: signals of the grid, who goes first, what a transaction may do, DER controls.

None of it exists until something of it is used: `Station.energy` is None so long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.meter import GRID_HZ
from simfleet.station.tokens import same_tag

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Mode
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

BIDIRECTIONAL: Final = frozenset({"AC_BPT", "AC_BPT_DER", "DC_BPT", "DC_ACDP_BPT"})
"""The modes of energy transfer in which a vehicle may give energy back."""


class Control(Struct, frozen=True, kw_only=True, gc=False):
    """A setting for a distributed energy resource (block R), as the CSMS has sent it."""

    id: str
    type: str
    default: bool
    priority: int  # 0 comes before 1
    told: bytes  # the CSMS's words (JSON)
    start_wall_s: float | None = None
    end_wall_s: float | None = None
    discharge_share: float | None = None  # LimitMaxDischarge: of the most that can be given back
    running: bool = False  # a scheduled one, whose time has come
    superseded: bool = False


class Energy:
    """See the module. Transactions are known by their number in the station's books."""

    __slots__ = (
        "allowed",
        "bound",
        "controls",
        "frequency_hz",
        "granted",
        "modes",
        "needs",
        "priority",
        "setpoints_w",
        "signal",
        "signal_next",
        "waiting",
    )

    def __init__(self) -> None:
        self.signal: int | None = None
        """Of the last AFRRSignal."""
        self.signal_next: int | None = None
        """Of one that is for later."""
        self.frequency_hz = GRID_HZ
        self.setpoints_w: dict[int, float] = {}
        """Given by somebody at the site, not the CSMS; by connector."""
        self.priority: frozenset[int] = frozenset()
        """The transactions that go first."""
        self.allowed: dict[int, frozenset[str]] = {}
        """What the CSMS has said a transaction may do; the others may do all."""
        self.granted: dict[int, tuple[str, frozenset[str]]] = {}
        """What the CSMS has said of a tag when it was asked, until the session begins; by
        connector."""
        self.bound: dict[int, frozenset[str]] = {}
        """What became of that: what the session may do that is there now; by connector."""
        self.modes: dict[int, Mode] = {}
        """The operation mode last told."""
        self.needs: frozenset[int] = frozenset()
        """The connectors whose vehicles have told what they need, and wait for a schedule."""
        self.waiting: frozenset[int] = frozenset()
        """Those of them at which no energy flows until there is one."""
        self.controls: tuple[Control, ...] = ()

    def goes_first(self, connector: Connector) -> bool:
        """Whether the transaction there charges with priority."""
        return connector.visit is not None and connector.visit.number in self.priority

    def began(self, connector: Connector) -> None:
        """A session begins: what was said of its tag holds for it, of another's no longer."""
        self.bound.pop(connector.id, None)
        id_tag, modes = self.granted.pop(connector.id, (None, frozenset[str]()))
        assert connector.transaction is not None
        if same_tag(id_tag, connector.transaction.id_tag):
            self.bound[connector.id] = modes

    def allows(self, connector: Connector) -> frozenset[str] | None:
        """The modes of energy transfer that the CSMS allows there; None: it has not said so. The
        last word on the transaction counts, then that on the tag.
        """
        visit = connector.visit
        said = None if visit is None else self.allowed.get(visit.number)
        return self.bound.get(connector.id) if said is None else said

    def over(self, number: int, connector: Connector) -> None:
        """A transaction has ended, and all that was said about it."""
        self.needs -= {connector.id}
        self.waiting -= {connector.id}
        self.bound.pop(connector.id, None)
        self.priority -= {number}
        self.allowed.pop(number, None)
        self.modes.pop(number, None)


def of(station: Station) -> Energy:
    """What the station knows; from now on it does."""
    if station.energy is None:
        station.energy = Energy()
    return station.energy


def remembered(station: Station) -> tuple[Control, ...]:
    """What the hardware keeps: the DER controls."""
    return () if station.energy is None else station.energy.controls
