"""The certificates of a station's own, and how it comes by them (OCPP 1.6 security whitepaper, use
cases A02, A03). Those it trusts are in `trust.py`.

A request is made by the shell (`MakeCertificateRequest`), for a key needs real randomness. Its
private key never leaves the station. Signed certificates are checked here, by `simfleet.pki`, which
is imported only then: a fleet without certificates never loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from simfleet.station import agenda, nameplate, plug_and_charge, security
from simfleet.station.agenda import Job
from simfleet.station.effects import CancelErrand, MakeCertificateRequest, Reconnect
from simfleet.station.messages import CertificateWanted
from simfleet.station.security import Asked, OwnCertificate, SecurityEvent

if TYPE_CHECKING:
    from simfleet.station.events import ErrandDone
    from simfleet.station.station import Station

YesNo = Literal["Accepted", "Rejected"]
V2G: Final = frozenset({"V2GCertificate", "V2G20Certificate"})
"""Uses of a certificate that is shown to vehicles (ISO 15118-2, ISO 15118-20)."""
COMBINED: Final = "SignCombinedCertificate"
"""The use of one certificate for the CSMS and for vehicles."""
_FOR_CSMS: Final = frozenset({"CentralSystemRootCertificate", "ManufacturerRootCertificate"})
_FOR_VEHICLES: Final = frozenset({"V2GRootCertificate"})
_VOUCHING: Final = dict.fromkeys(V2G, _FOR_VEHICLES) | {COMBINED: _FOR_CSMS | _FOR_VEHICLES}
"""Roots that a new certificate must come from, where there are any; else `_FOR_CSMS`."""

OWN_MAX: Final = 3
"""Certificates of its own that a station keeps: the one in use, and those before it."""
COMMON_NAME_MAX_CHARS: Final = 64  # X.520, ub-common-name
RENEWED_BEFORE_S: Final = 30 * 86_400.0
"""A certificate that ends is replaced a month before (whitepaper A03), or when a third of its time
is left, if that is later.
"""
RENEWAL_PAUSE_S: Final = 86_400.0
"""When nobody signs the new one: the next try, if the old one lasts that long, else half-way to its
end.
"""
RENEWAL_PAUSE_MIN_S: Final = 60.0

_ANSWER, _RENEWAL = 0, 1
"""Keys of `Job.CERTIFICATE`."""


# ── a certificate of its own ──────────────────────────────────────────────────────────────────────


def ask(station: Station, *, use: str = "", at_s: float) -> YesNo:
    """Make a new key and ask the CSMS to sign a certificate for it: ExtendedTriggerMessage
    SignChargePointCertificate, or the end of the present one is near. `use` is empty for the
    connection to the CSMS, or one of `V2G`, or `COMBINED`.

    A request for the same use that is still open is replaced: one certificate is wanted, not two.
    One for another use is finished first.
    """
    state = security.of(station)
    if state.asked is not None and state.asked.use != use:
        if use not in state.asked_next:
            state.asked_next.append(use)
        return "Accepted"
    if state.asked is not None and not state.asked.csr_pem:
        station.effects.append(CancelErrand(state.asked.errand))
    _begin(station, use, tries=0, at_s=at_s)
    return "Accepted"


def _ask_next(station: Station, *, at_s: float) -> None:
    """The request before is done with."""
    state = security.of(station)
    if state.asked_next:
        _begin(station, state.asked_next.pop(0), tries=0, at_s=at_s)


def _begin(station: Station, use: str, *, tries: int, at_s: float) -> None:
    station.errands += 1
    asked = Asked(
        station.errands,
        common_name(station),
        station.configuration.get("CpoName") or "",
        tries=tries,
        use=use,
    )
    security.of(station).asked = asked
    station.effects.append(
        MakeCertificateRequest(asked.errand, asked.common_name, asked.organization)
    )
    _wait(station, tries, at_s=at_s)


def common_name(station: Station) -> str:
    """CN of the station's certificate: its serial number (whitepaper A00), which is its identity
    where the model has no other.
    """
    if station.spec.serial_number:
        return nameplate.serial_number(station)
    return station.identity[:COMMON_NAME_MAX_CHARS]


def _wait(station: Station, tries: int, *, at_s: float) -> None:
    """Set the time until the request is sent again: CertSigningWaitMinimum, doubled each time."""
    wait_s = station.configuration.seconds("CertSigningWaitMinimum") * 2.0 ** min(tries, 20)
    agenda.at(station, Job.CERTIFICATE, at_s + wait_s, key=_ANSWER)


def owns(station: Station, errand: int) -> bool:
    """Whether this errand is the making of a certificate request."""
    state = station.security
    return state is not None and state.asked is not None and state.asked.errand == errand


def errand_done(station: Station, done: ErrandDone, *, at_s: float) -> None:
    """The request was made, or could not be: then it is tried again like one that nobody signs."""
    state = security.of(station)
    asked = state.asked
    if asked is None or asked.csr_pem or not done.ok:
        return
    state.asked = Asked(
        asked.errand,
        asked.common_name,
        asked.organization,
        done.content,
        done.more,
        asked.tries,
        asked.use,
    )
    _send(station, at_s=at_s)


def _send(station: Station, *, at_s: float) -> None:
    state = security.of(station)
    asked = state.asked
    assert asked is not None
    if not station.may_report:
        # Offline it counts for nothing: as soon as the CSMS listens.
        agenda.at(station, Job.CERTIFICATE, at_s + _patience_s(station), key=_ANSWER)
        return
    wanted = CertificateWanted(asked.csr_pem.decode("ascii"), asked.use, asked.errand)
    station.say(wanted, due_s=at_s)
    _wait(station, asked.tries, at_s=at_s)
    state.asked = Asked(
        asked.errand,
        asked.common_name,
        asked.organization,
        asked.csr_pem,
        asked.key_pem,
        asked.tries + 1,
        asked.use,
    )


def _patience_s(station: Station) -> float:
    return float(station.configuration.seconds("CertSigningWaitMinimum"))


def answered(station: Station, *, accepted: bool, at_s: float) -> None:
    """The CSMS will have the request signed (CertificateSigned follows), or will not."""
    if not accepted:
        _give_up(station, at_s=at_s)


def due(station: Station, key: int, *, at_s: float) -> None:
    """Agenda: nobody has signed the request, or the certificate in use ends soon."""
    state = security.of(station)
    if key == _RENEWAL:
        if _renewal_s(station, at_s=at_s) > at_s:
            plan_renewal(station, at_s=at_s)  # the clock was set meanwhile
        elif state.asked is None:
            ask(station, at_s=at_s)
        return
    asked = state.asked
    if asked is None:
        return
    if asked.tries > station.configuration.whole("CertSigningRepeatTimes"):
        _give_up(station, at_s=at_s)
    elif asked.csr_pem:
        _send(station, at_s=at_s)  # the same one: a certificate that comes late fits all the same
    else:
        station.effects.append(CancelErrand(asked.errand))
        _begin(station, asked.use, tries=asked.tries + 1, at_s=at_s)


def _give_up(station: Station, *, at_s: float) -> None:
    security.of(station).asked = None
    agenda.cancel(station, Job.CERTIFICATE, key=_ANSWER)
    plan_renewal(station, at_s=at_s, again=True)
    _ask_next(station, at_s=at_s)


def resume(station: Station, *, at_s: float) -> None:
    """After a recall: set the timers anew."""
    plan_renewal(station, at_s=at_s)
    if any(one.use in V2G for one in security.of(station).own):
        agenda.at(station, Job.OCSP, at_s)
    asked = security.of(station).asked
    if asked is not None:
        _wait(station, max(0, asked.tries - 1), at_s=at_s)


def signed(
    station: Station,
    chain: str,
    *,
    use: str | None = None,
    request_id: int | None = None,
    at_s: float,
) -> YesNo:
    """CertificateSigned: take the certificate into use, if it is good, and of the use and for the
    request (2.1) that are given.
    """
    problem = _misdirected(station, use, request_id) or _problem_with(station, chain, at_s=at_s)
    if problem is not None:
        security.of(station)  # the CSMS knows the whitepaper
        security.report(station, SecurityEvent.BAD_OWN_CERTIFICATE, problem, at_s=at_s)
        return "Rejected"
    from simfleet.pki import checks

    state = security.of(station)
    assert state.asked is not None
    facts = checks.facts_of(chain)
    own = OwnCertificate(
        b"".join(checks.pem_of(one) for one in checks.certificates_in(chain)),
        state.asked.key_pem,
        facts.not_before_s,
        facts.not_after_s,
        state.asked.use if state.asked.use in V2G else "",
    )
    combined = state.asked.use == COMBINED
    _keep(state.own, own)
    if combined:
        _keep(state.own, msgspec.structs.replace(own, use="V2GCertificate"))
    state.asked = None
    agenda.cancel(station, Job.CERTIFICATE, key=_ANSWER)
    plan_renewal(station, at_s=at_s)
    security.report(station, SecurityEvent.RECONFIGURED, "own certificate", at_s=at_s)
    if own.use or combined:
        plug_and_charge.ask_about_own(station, at_s=at_s)
    _ask_next(station, at_s=at_s)
    if own.use:
        return "Accepted"
    if security.profile(station) == security.MUTUAL_TLS:
        security.begin_trial(station, certificate=own)
        station.effects.append(Reconnect("new certificate"))
    return "Accepted"


def _keep(certificates: list[OwnCertificate], new: OwnCertificate) -> None:
    """The newest so many of each use."""
    certificates.append(new)
    of_use = [one for one in certificates if one.use == new.use]
    for one in of_use[:-OWN_MAX]:
        certificates.remove(one)


def _misdirected(station: Station, use: str | None, request_id: int | None) -> str | None:
    asked = None if station.security is None else station.security.asked
    if asked is None:
        return None  # `_problem_with` says so
    if use is not None and use != asked.use and asked.use != COMBINED:
        return f"a certificate for {asked.use or 'the station'} was asked for"
    if request_id is not None and request_id != asked.errand:
        return f"request {asked.errand} is open, not {request_id}"
    return None


def _problem_with(station: Station, chain: str, *, at_s: float) -> str | None:
    limit = station.configuration.whole("CertificateSignedMaxChainSize")
    if len(chain) > limit:
        return f"{len(chain)} characters; CertificateSignedMaxChainSize is {limit}"
    asked = None if station.security is None else station.security.asked
    if asked is None or not asked.key_pem:
        return "no certificate was asked for"
    from simfleet.pki import checks

    vouching = _VOUCHING.get(asked.use, _FOR_CSMS)
    return checks.check_chain(
        chain,
        b"".join(root.pem for root in security.of(station).roots if root.use in vouching),
        at_wall_s=station.wall_s(at_s),
        key_pem=asked.key_pem,
        common_name=asked.common_name,
        organization=asked.organization,
        any_use=asked.use in V2G,
    )


def in_use(station: Station, *, at_s: float) -> OwnCertificate | None:
    """The newest certificate for the CSMS of those that are valid now; without a valid one, the
    newest.
    """
    state = station.security
    own = () if state is None else tuple(one for one in state.own if not one.use)
    if not own:
        return None
    wall_s = station.wall_s(at_s)
    valid = tuple(one for one in own if one.not_before_s <= wall_s <= one.not_after_s)
    # Of two as new, the one that was accepted last.
    return max(reversed(valid or own), key=lambda one: one.not_before_s)


def plan_renewal(station: Station, *, at_s: float, again: bool = False) -> None:
    """Set the time at which the certificate in use must be replaced. `again`: the replacement has
    failed, so not at once.
    """
    due_s = _renewal_s(station, at_s=at_s)
    if again and due_s <= at_s:
        own = in_use(station, at_s=at_s)
        assert own is not None
        left_s = max(0.0, own.not_after_s - station.wall_s(at_s))
        pause_s = min(RENEWAL_PAUSE_S, left_s / 2) if left_s else RENEWAL_PAUSE_S
        due_s = at_s + max(RENEWAL_PAUSE_MIN_S, pause_s)
    if due_s == agenda.NEVER_S:
        agenda.cancel(station, Job.CERTIFICATE, key=_RENEWAL)
    else:
        agenda.at(station, Job.CERTIFICATE, due_s, key=_RENEWAL)


def _renewal_s(station: Station, *, at_s: float) -> float:
    own = in_use(station, at_s=at_s)
    if own is None:
        return agenda.NEVER_S
    before_s = min(RENEWED_BEFORE_S, (own.not_after_s - own.not_before_s) / 3)
    return at_s + own.not_after_s - before_s - station.wall_s(at_s)
