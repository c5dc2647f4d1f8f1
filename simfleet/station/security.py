"""Security events: what the station notes in its security log, and what of it it tells the CSMS
(OCPP 1.6 security whitepaper, use cases A and appendix "security events").

Events wait here, in order and across reboots, until the CSMS has taken them; one at a time is on
its way. An event that is refused or not answered is sent again after a pause that grows; one that
the CSMS does not know how to take (NotImplemented, NotSupported) is given up.

A fleet at security profile 0 says nothing of this by default, for its CSMS may know no whitepaper:
a station speaks of security once its SecurityProfile is above 0, once its spec says so
(`security_events`), or once the CSMS has used a command of the whitepaper on it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.ocpp.results import LINK_LOST, Outcome
from simfleet.station import agenda
from simfleet.station.agenda import Job
from simfleet.station.effects import Dropped
from simfleet.station.messages import SecurityNotice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.ocpp.results import Violation
    from simfleet.station.station import Station

WAITING_MAX: Final = 50
"""Events that may wait for the CSMS; the oldest goes first when there is no room."""
LOG_MAX: Final = 200
"""Entries of the security log; the oldest is overwritten."""
RETRY_S: Final = 30.0
"""Pause before an event is sent again; the n-th pause is n times as long."""
RETRY_MAX_S: Final = 3600.0
TECH_INFO_MAX_CHARS: Final = 255
NO_SECURITY, BASIC, TLS, MUTUAL_TLS = range(4)
"""The security profiles."""
_UNKNOWN_TO_CSMS: Final = frozenset({"NotImplemented", "NotSupported"})


class SecurityEvent(StrEnum):
    """What can happen, as OCPP 1.6 spells it; a dialect of 2.x has words of its own for some."""

    FIRMWARE_UPDATED = "FirmwareUpdated"
    REFUSED_BY_CSMS = "FailedToAuthenticateAtCentralSystem"
    CSMS_REFUSED = "CentralSystemFailedToAuthenticate"
    CLOCK_SET = "SettingSystemTime"
    STARTED = "StartupOfTheDevice"
    REBOOTED = "ResetOrReboot"
    LOG_CLEARED = "SecurityLogWasCleared"
    RECONFIGURED = "ReconfigurationOfSecurityParameters"
    MEMORY_EXHAUSTED = "MemoryExhaustion"
    INVALID_MESSAGES = "InvalidMessages"
    REPLAYED = "AttemptedReplayAttacks"
    TAMPERED = "TamperDetectionActivated"
    BAD_FIRMWARE_SIGNATURE = "InvalidFirmwareSignature"
    BAD_FIRMWARE_CERTIFICATE = "InvalidFirmwareSigningCertificate"
    BAD_CSMS_CERTIFICATE = "InvalidCentralSystemCertificate"
    BAD_OWN_CERTIFICATE = "InvalidChargePointCertificate"
    BAD_TLS_VERSION = "InvalidTLSVersion"
    BAD_TLS_CIPHER = "InvalidTLSCipherSuite"


CRITICAL: Final = frozenset(
    {
        SecurityEvent.FIRMWARE_UPDATED,
        SecurityEvent.CLOCK_SET,
        SecurityEvent.STARTED,
        SecurityEvent.REBOOTED,
        SecurityEvent.LOG_CLEARED,
        SecurityEvent.MEMORY_EXHAUSTED,
        SecurityEvent.TAMPERED,
    }
)
"""What the whitepaper's table calls critical: the CSMS is always told."""
DEMANDED: Final = frozenset(
    {
        SecurityEvent.BAD_OWN_CERTIFICATE,
        SecurityEvent.BAD_CSMS_CERTIFICATE,
        SecurityEvent.BAD_TLS_VERSION,
        SecurityEvent.BAD_TLS_CIPHER,
        SecurityEvent.BAD_FIRMWARE_SIGNATURE,
        SecurityEvent.BAD_FIRMWARE_CERTIFICATE,
        SecurityEvent.REFUSED_BY_CSMS,
    }
)
"""Not critical, but told because a use case of the whitepaper ends with it; the last one because
nothing else tells that a change of credentials has failed. All others are only logged.
"""


class LoggedEvent(Struct, frozen=True, gc=False):
    """One entry of the security log. `wall_s` is the station's own clock (Unix seconds)."""

    type: str
    wall_s: float
    tech_info: str = ""


class RootCertificate(Struct, frozen=True, gc=False):
    """A certificate that the station trusts, and for what."""

    use: str
    pem: bytes


class OwnCertificate(Struct, frozen=True, gc=False, omit_defaults=True):
    """A certificate of the station with its key; `chain_pem` begins with the certificate. Unix
    seconds. `use` is empty, or what it serves instead of the connection to the CSMS:
    V2GCertificate, V2G20Certificate.
    """

    chain_pem: bytes
    key_pem: bytes
    not_before_s: float
    not_after_s: float
    use: str = ""


class Asked(Struct, frozen=True, gc=False, omit_defaults=True):
    """A certificate request: being made (`errand`, which also numbers it), or sent `tries` times
    and not fulfilled. `use` is that of the certificate, see `certificates.ask`.
    """

    errand: int
    common_name: str
    organization: str
    csr_pem: bytes = b""
    key_pem: bytes = b""
    tries: int = 0
    use: str = ""


class Trial(Struct, gc=False):
    """Credentials that have not connected yet, and what to go back to: the profile before (None: it
    is the same), and the certificate to drop.
    """

    profile_before: int | None = None
    certificate: OwnCertificate | None = None
    failures: int = 0


class Security:
    """All that a station knows of security, once it knows anything: events here, certificates in
    `certificates.py`, what it connects with in `credentials.py`.
    """

    __slots__ = (
        "asked",
        "asked_next",
        "failures",
        "log",
        "on_its_way",
        "own",
        "roots",
        "trial",
        "waiting",
    )

    def __init__(self) -> None:
        self.waiting: list[LoggedEvent] = []
        self.on_its_way: LoggedEvent | None = None
        """The first that waits, while it is in the outbox or its CALL is open."""
        self.failures = 0
        """How often the first that waits was refused."""
        self.log: list[LoggedEvent] = []
        self.roots: list[RootCertificate] = []
        self.own: list[OwnCertificate] = []
        """The station's certificates, the last accepted one last."""
        self.asked: Asked | None = None
        """The certificate request that has no certificate yet."""
        self.asked_next: list[str] = []
        """Uses for which a certificate is asked for afterwards."""
        self.trial: Trial | None = None
        """What has not connected yet, and what to go back to."""


def of(station: Station) -> Security:
    """The station's security, begun now if it had none."""
    if station.security is None:
        station.security = Security()
    return station.security


def profile(station: Station) -> int:
    """The security profile in effect, 0 to 3."""
    return int(station.configuration.get("SecurityProfile") or NO_SECURITY)


def begin_trial(
    station: Station,
    *,
    profile_before: int | None = None,
    certificate: OwnCertificate | None = None,
) -> None:
    """From now on, failed connections count against what is new. What was on trial already still
    is.
    """
    state = of(station)
    trial = state.trial or Trial()
    if trial.profile_before is None:
        trial.profile_before = profile_before
    if trial.certificate is None:
        trial.certificate = certificate
    trial.failures = 0
    state.trial = trial


def speaks(station: Station) -> bool:
    """Whether the station tells its CSMS of security events; see the module."""
    return (
        station.security is not None
        or station.spec.security_events
        or station.configuration.get("SecurityProfile") not in ("0", None)
    )


# ── events ────────────────────────────────────────────────────────────────────────────────────────


def report(station: Station, event: SecurityEvent, tech_info: str = "", *, at_s: float) -> None:
    """Something happened: note it, and tell the CSMS if it is one of those that must be told.

    The same event with the same words is not queued twice in a row: a connection that fails for
    hours is one event.
    """
    if not speaks(station):
        return
    state = of(station)
    noted = LoggedEvent(event.value, station.wall_s(at_s), tech_info[:TECH_INFO_MAX_CHARS])
    state.log.append(noted)
    del state.log[:-LOG_MAX]
    if event not in CRITICAL and event not in DEMANDED and event not in station.dialect.demanded:
        return
    if state.waiting and _same(state.waiting[-1], noted) and event not in CRITICAL:
        return
    if len(state.waiting) >= WAITING_MAX:
        del state.waiting[1 if state.on_its_way is not None else 0]
        station.effects.append(Dropped("SecurityEventNotification", "queue_full"))
    state.waiting.append(noted)
    _send_next(station, state, at_s=at_s)


def clear_log(station: Station, *, at_s: float) -> None:
    """Empty the security log; that it was cleared is its first entry."""
    of(station).log.clear()
    report(station, SecurityEvent.LOG_CLEARED, at_s=at_s)


def _same(one: LoggedEvent, other: LoggedEvent) -> bool:
    return (one.type, one.tech_info) == (other.type, other.tech_info)


def _send_next(station: Station, state: Security, *, at_s: float) -> None:
    if state.on_its_way is not None or not state.waiting or not station.may_report:
        return
    if agenda.due_s(station, Job.SECURITY_EVENT) != agenda.NEVER_S:
        return  # a pause after a failure
    state.on_its_way = first = state.waiting[0]
    station.say(SecurityNotice(first.type, first.wall_s, first.tech_info), due_s=at_s)


def listened_to(station: Station, *, at_s: float) -> None:
    """The CSMS listens (again): send what waits."""
    if station.security is not None:
        _send_next(station, station.security, at_s=at_s)


def link_lost(station: Station) -> None:
    """What was on its way is sent again over the next link, at once."""
    state = of(station)
    state.on_its_way = None
    state.failures = 0
    agenda.cancel(station, Job.SECURITY_EVENT)


def taken(station: Station, *, at_s: float) -> None:
    """The CSMS has taken the event that was on its way."""
    _over(station, of(station), at_s=at_s)


def _over(station: Station, state: Security, *, at_s: float) -> None:
    if state.on_its_way is not None and state.waiting and state.waiting[0] is state.on_its_way:
        del state.waiting[0]
    state.on_its_way = None
    state.failures = 0
    _send_next(station, state, at_s=at_s)


def failed(station: Station, outcome: Outcome, *, at_s: float) -> None:
    """The CALL with an event has failed."""
    state = of(station)
    if outcome.failure == LINK_LOST:
        return  # see `link_lost`
    if outcome.failure in _UNKNOWN_TO_CSMS:
        station.effects.append(Dropped("SecurityEventNotification", "attempts_used_up"))
        _over(station, state, at_s=at_s)
    else:
        lost(station, at_s=at_s)


def lost(station: Station, *, at_s: float) -> None:
    """The event on its way was refused, or had to make room in the outbox: again after a pause."""
    state = of(station)
    state.on_its_way = None
    state.failures += 1
    pause_s = min(RETRY_MAX_S, RETRY_S * state.failures)
    agenda.at(station, Job.SECURITY_EVENT, at_s + pause_s)


def send_again(station: Station, _: int, *, at_s: float) -> None:
    """Agenda: the pause is over."""
    if station.security is not None:
        _send_next(station, station.security, at_s=at_s)


# ── moments that are events ───────────────────────────────────────────────────────────────────────


def started(station: Station, *, at_s: float) -> None:
    """The CSMS has accepted the first BootNotification after a boot."""
    report(station, SecurityEvent.STARTED, at_s=at_s)


def clock_set(station: Station, by_s: float, *, at_s: float) -> None:
    """The CSMS's time was taken over."""
    report(station, SecurityEvent.CLOCK_SET, f"set by {by_s:+.0f} s", at_s=at_s)


def messages_broken(station: Station, violations: Sequence[Violation], *, at_s: float) -> None:
    """The CSMS has sent what breaks the protocol: an event in 2.x."""
    if SecurityEvent.INVALID_MESSAGES not in station.dialect.demanded:
        return
    for one in violations:
        what = f"{one.kind} {one.action}".rstrip()
        report(station, SecurityEvent.INVALID_MESSAGES, what, at_s=at_s)


def rebooting(station: Station, reason: str, *, at_s: float) -> None:
    """The station goes down on purpose."""
    report(station, SecurityEvent.REBOOTED, reason, at_s=at_s)
