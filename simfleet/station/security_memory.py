"""What of a station's security its hardware keeps: events that wait, the log, certificates and
keys, the request that nobody has signed yet, and what to go back to if new credentials fail.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from msgspec import Struct

from simfleet.station import certificates, security
from simfleet.station.security import Asked, LoggedEvent, OwnCertificate, RootCertificate, Trial

if TYPE_CHECKING:
    from simfleet.station.station import Station


class KeptSecurity(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """See `Security`. Private keys are in it: whoever stores it stores secrets."""

    waiting: list[LoggedEvent] = []
    log: list[LoggedEvent] = []
    roots: list[RootCertificate] = []
    own: list[OwnCertificate] = []
    asked: Asked | None = None
    asked_next: list[str] = []
    trial: Trial | None = None


def remember(station: Station) -> KeptSecurity | None:
    """Take it out; None where there is nothing."""
    state = station.security
    if state is None:
        return None
    trial = state.trial
    return KeptSecurity(
        waiting=list(state.waiting),
        log=list(state.log),
        roots=list(state.roots),
        own=list(state.own),
        # A request that is being made is made anew: its key was in the memory that is lost.
        asked=state.asked if state.asked is not None and state.asked.csr_pem else None,
        asked_next=list(state.asked_next),
        trial=None if trial is None else copy.copy(trial),
    )


def recall(station: Station, kept: KeptSecurity | None, *, at_s: float) -> None:
    """Put it into a station that is fresh from the factory."""
    if kept is None:
        return
    state = security.of(station)
    state.waiting = list(kept.waiting)
    state.log = list(kept.log)
    state.roots = list(kept.roots)
    state.own = list(kept.own)
    state.asked = kept.asked
    state.asked_next = list(kept.asked_next)
    state.trial = kept.trial
    certificates.resume(station, at_s=at_s)
