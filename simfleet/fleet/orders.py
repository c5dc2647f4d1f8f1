"""What a charger is told, and what all chargers of a fleet share."""

from __future__ import annotations

from enum import StrEnum

import trio
from msgspec import Struct, field

from simfleet.fleet.clockwork import Clockwork
from simfleet.fleet.errands import Errands
from simfleet.fleet.keyring import Keyring
from simfleet.fleet.recorder import Recorder
from simfleet.link.link import Dialer, LinkOptions
from simfleet.station.behaviour import Gate


class Mode(StrEnum):
    """What a charger of a mass fleet does."""

    IDLE = "idle"  # powered, without a socket
    CONNECT = "connect"  # socket, boot, statuses, heartbeats
    CHARGING = "charging"  # and drivers who come and go


class Surroundings(Struct):
    """What the chargers of a fleet share."""

    dial: Dialer
    url: str
    options: LinkOptions
    handshakes: trio.Semaphore
    recorder: Recorder
    clockwork: Clockwork = field(default_factory=Clockwork)
    """Run by the supervisor. Without it a charger wakes its own task for what is due: dearer."""
    errands: Errands = field(default_factory=Errands)
    """Run by the supervisor. Without it errands fail, and say so."""
    keyring: Keyring = field(default_factory=Keyring)
    """What the chargers were given to connect with, beside password and roots in `options`."""
    gate: Gate = field(default_factory=Gate)
    """Closed while no new drivers are to come."""


class Leave(Struct, frozen=True):
    """Come to rest, tell the CSMS what is owed to it, and end; by `deadline_s` at the latest.

    Only closing the socket, and a handshake that was under way already, may take longer.
    """

    deadline_s: float


class Redial(Struct, frozen=True):
    """Connect again: the URL of the surroundings has changed. Sessions go on meanwhile."""


class Away(Struct, frozen=True):
    """Lose the link, and have none for so long; 0 ends it. Sessions go on meanwhile. `abrupt`: the
    socket is cut without a word, as when the network is gone.
    """

    for_s: float
    abrupt: bool = True
