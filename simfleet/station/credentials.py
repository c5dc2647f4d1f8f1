"""What a station connects with: security profiles 0 to 3 and their credentials (OCPP 1.6 security
whitepaper, use cases A01, A05 and section 3.1).

0 nothing, 1 HTTP Basic authentication, 2 the same over TLS, 3 TLS with a certificate of the
station's own. The station says what it would connect with now (`current`); the shell connects, and
says how that went (`Station.link_opened`, `Station.connect_failed`).

AuthorizationKey is the hexadecimal form of the password; what goes into the Authorization header is
the bytes it stands for (whitepaper A01, OCTT TC_085_CS). A new key holds from the next connection
on, which follows at once where one is used; there is no way back to the old key, for the CSMS has
forgotten it. A new profile or certificate is on trial until it has connected once; after
`FALLBACK_ATTEMPTS` failures in a row the station goes back to what it had, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.station import certificates, security, trust
from simfleet.station.effects import Reconnect
from simfleet.station.security import BASIC, MUTUAL_TLS, NO_SECURITY, TLS, SecurityEvent, profile

if TYPE_CHECKING:
    from simfleet.station.configuration import ChangeStatus
    from simfleet.station.station import Station

FALLBACK_ATTEMPTS: Final = 3
"""Failed connections in a row after which new credentials are given up."""


class Given(Struct, frozen=True, gc=False):
    """What the installer left with the station, besides what the CSMS sends it: whether there is a
    password, a root to check the CSMS's certificate by, a certificate of its own. The shell has the
    things themselves.
    """

    password: bool = False
    roots: bool = False
    certificate: bool = False


NOTHING_GIVEN: Final = Given()


class Credentials(Struct, frozen=True, gc=False):
    """What to connect with. Whatever is empty is what the installer left, if anything.

    `password` are the bytes for HTTP Basic authentication, never used at profile 3. `roots_pem`
    are to be trusted instead of anybody else. `chain_pem` and `key_pem` are for TLS client
    authentication.
    """

    profile: int = 0
    password: bytes = b""
    roots_pem: tuple[bytes, ...] = ()
    chain_pem: bytes = b""
    key_pem: bytes = b""
    url: str = ""
    """Where to connect (2.x network profiles)."""


PLAIN: Final = Credentials()


def current(station: Station, *, at_s: float) -> Credentials:
    """What the station would connect with now; `PLAIN` itself where it has nothing of its own."""
    wanted = profile(station)
    key = station.configuration.get("AuthorizationKey")
    network = station.network
    url = "" if network is None else network.slots[network.active].url
    if wanted == NO_SECURITY and not key and not url:
        return PLAIN
    own = certificates.in_use(station, at_s=at_s) if wanted == MUTUAL_TLS else None
    return Credentials(
        wanted,
        bytes.fromhex(key) if key and _uses_password(station) else b"",
        tuple(trust.csms_roots(station)) if wanted >= TLS else (),
        b"" if own is None else own.chain_pem,
        b"" if own is None else own.key_pem,
        url,
    )


def _uses_password(station: Station) -> bool:
    """Profiles 1 and 2; and profile 0 where the installer has set a password all the same."""
    wanted = profile(station)
    return wanted in (BASIC, TLS) or (wanted == NO_SECURITY and station.given.password)


# ── ChangeConfiguration ───────────────────────────────────────────────────────────────────────────


def key_changed(station: Station, *, at_s: float) -> None:
    """AuthorizationKey is new: connect with it, if passwords are used at all."""
    security.of(station)
    security.report(station, SecurityEvent.RECONFIGURED, "AuthorizationKey", at_s=at_s)
    if _uses_password(station):
        station.effects.append(Reconnect("new AuthorizationKey"))


def change_profile(station: Station, value: str, *, at_s: float) -> ChangeStatus:
    """SecurityProfile: only upwards, and only with what the new profile needs."""
    before = station.configuration.get("SecurityProfile")
    if before is None:
        return "NotSupported"
    if why_not(station, value, at_s=at_s) is not None:
        return "Rejected"
    status = station.configuration.change("SecurityProfile", value)
    if status == "Accepted":
        security.begin_trial(station, profile_before=int(before))
        station.effects.append(Reconnect(f"security profile {value}"))
    return status


def why_not(station: Station, value: str, *, at_s: float) -> str | None:
    """Why SecurityProfile cannot become `value` now; None if it can."""
    before = profile(station)
    if value not in ("1", "2", "3") or int(value) <= before:
        return f"SecurityProfile only goes upwards; it is {before}"
    lacks = missing(station, int(value), at_s=at_s)
    return None if lacks is None else f"SecurityProfile {value} needs {lacks} first"


def missing(
    station: Station, wanted: int, *, at_s: float
) -> (
    Literal[
        "an AuthorizationKey", "a root certificate of the CSMS", "a valid certificate of its own"
    ]
    | None
):
    """What the station lacks for a profile."""
    given = station.given
    if wanted in (BASIC, TLS) and not (
        given.password or station.configuration.get("AuthorizationKey")
    ):
        return "an AuthorizationKey"
    if wanted >= TLS and not (given.roots or trust.csms_roots(station)):
        return "a root certificate of the CSMS"
    if wanted == MUTUAL_TLS and not given.certificate:
        own = certificates.in_use(station, at_s=at_s)
        wall_s = station.wall_s(at_s)
        if own is None or not own.not_before_s <= wall_s <= own.not_after_s:
            return "a valid certificate of its own"
    return None


# ── how connecting went ───────────────────────────────────────────────────────────────────────────


def connected(station: Station, *, at_s: float) -> None:
    """A connection is up: what was on trial has proved itself."""
    state = security.of(station)
    trial, state.trial = state.trial, None
    if trial is not None and trial.profile_before is not None:
        text = f"SecurityProfile {profile(station)}"
        security.report(station, SecurityEvent.RECONFIGURED, text, at_s=at_s)


def connect_failed(
    station: Station, kind: str, detail: str, status: int | None, *, at_s: float
) -> None:
    """A connection could not be opened. `kind` is a `ConnectReason`, `status` that of HTTP."""
    if not security.speaks(station):
        return
    event = event_of(kind, detail, status)
    if event is not None:
        security.report(station, event, f"{kind}: {detail}", at_s=at_s)
    state = security.of(station)
    trial = state.trial
    if trial is None:
        return
    trial.failures += 1
    if trial.failures < FALLBACK_ATTEMPTS:
        return
    state.trial = None
    given_up = "new certificate"
    if trial.profile_before is not None:
        given_up = f"SecurityProfile {profile(station)}"
        station.configuration.store("SecurityProfile", str(trial.profile_before))
    if trial.certificate is not None and trial.certificate in state.own:
        state.own.remove(trial.certificate)
        certificates.plan_renewal(station, at_s=at_s, again=True)
    text = f"{given_up} given up after {trial.failures} attempts: {kind}: {detail}"
    security.report(station, SecurityEvent.REFUSED_BY_CSMS, text, at_s=at_s)


_TLS_EVENTS: Final = (
    # What OpenSSL calls it, on our side or in the peer's alert; the first that matches counts.
    ("certificate: ", SecurityEvent.BAD_CSMS_CERTIFICATE),
    ("PROTOCOL_VERSION", SecurityEvent.BAD_TLS_VERSION),
    ("UNSUPPORTED_PROTOCOL", SecurityEvent.BAD_TLS_VERSION),
    ("NO_PROTOCOLS_AVAILABLE", SecurityEvent.BAD_TLS_VERSION),
    ("VERSION_TOO_LOW", SecurityEvent.BAD_TLS_VERSION),
    ("WRONG_VERSION_NUMBER", None),  # no TLS at all on the other side
    ("CIPHER", SecurityEvent.BAD_TLS_CIPHER),
    ("HANDSHAKE_FAILURE", SecurityEvent.BAD_TLS_CIPHER),
    ("CERTIFICATE", SecurityEvent.REFUSED_BY_CSMS),  # alerts about ours
    ("UNKNOWN_CA", SecurityEvent.REFUSED_BY_CSMS),
    ("ACCESS_DENIED", SecurityEvent.REFUSED_BY_CSMS),
)


def event_of(kind: str, detail: str, status: int | None) -> SecurityEvent | None:
    """The security event that a failed connection is, if it is one."""
    if kind == "http_status" and status in (401, 403):
        return SecurityEvent.REFUSED_BY_CSMS
    if kind != "tls":
        return None
    return next((event for words, event in _TLS_EVENTS if words in detail), None)
