"""ISO 15118 Plug & Charge as the CSMS sees it (2.0.1 use cases C07, C08, M01, M02, M06; 2.1 M07).

A vehicle's contract is a tag of type eMAID. Online, the CSMS is asked about it with the names of
its certificates, so that it can look up whether they are revoked; where the station has no root for
the contract it sends the certificates themselves, if CentralContractValidationAllowed says so.
Offline, the station judges the contract itself where ContractValidationOffline says so, and then as
any other tag. A contract that the station can see to be bad is refused without a question.

Contracts whose certificates nobody has are pretend ones: always in order, with names made of the
eMAID. A fleet without Plug & Charge has none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.errors import Refused
from simfleet.station import agenda
from simfleet.station.agenda import Job
from simfleet.station.configuration_keys2 import (
    CENTRAL_VALIDATION,
    CONTRACT_INSTALLATION,
    OFFLINE_VALIDATION,
    PNC_ENABLED,
)
from simfleet.station.contract import (
    EMAID_PREFIX,
    NAMED_MAX,
    CertificateName,
    Contract,
    pretend_names,
)
from simfleet.station.messages import ChainQuestion, EvCertificateQuestion, OcspQuestion
from simfleet.station.tokens import folded, typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.events import EvCertificateWanted, VehicleCertificateShown
    from simfleet.station.station import Station

OCSP_REFRESH_S: Final = 7 * 86_400.0
"""The station's own V2G certificates are asked about again every week (M06.FR.10)."""
OCSP_RETRY_S: Final = 3600.0
"""Pause before the next question where the CSMS could not say."""
CONTRACT_ROOTS: Final = ("MORootCertificate", "V2GRootCertificate")
"""Who may vouch for a contract."""
CONTRACTS_MAX: Final = 16
"""Contracts that a station remembers; the oldest goes first."""

Verdict = Literal["good", "unknown", "bad"]


class PlugAndCharge(Struct):
    """What a station knows of contracts and their kind, once it was ever told."""

    contracts: dict[str, Contract]
    """By tag, as tags are compared."""
    ocsp: dict[str, str | None]
    """What the CSMS has said of the station's V2G certificates by serial number: the OCSP answer
    that vehicles get to see, None: it could not say.
    """
    vehicles: dict[int, str]
    """What was said of the certificates of the vehicle at a connector: the worst of it."""
    answers: dict[int, tuple[str, str]]
    """By connector: status and EXI of the last answer to a vehicle's request."""


def _of(station: Station) -> PlugAndCharge:
    if station.plug_and_charge is None:
        station.plug_and_charge = PlugAndCharge({}, {}, {}, {})
    return station.plug_and_charge


# ── contracts ─────────────────────────────────────────────────────────────────────────────────────


def is_contract(id_tag: str) -> bool:
    """Whether a tag names a contract."""
    return id_tag.startswith(EMAID_PREFIX)


def learn(station: Station, contract: Contract) -> None:
    """A vehicle has this contract."""
    contracts = _of(station).contracts
    tag = folded(EMAID_PREFIX + contract.emaid)
    contracts.pop(tag, None)
    if len(contracts) >= CONTRACTS_MAX:
        del contracts[next(iter(contracts))]
    contracts[tag] = contract


def contract_of(station: Station, id_tag: str) -> Contract:
    """The contract that a tag names; one that nobody has told of is a pretend one."""
    known = None
    if station.plug_and_charge is not None:
        known = station.plug_and_charge.contracts.get(folded(id_tag))
    return Contract(typed(id_tag)[1]) if known is None else known


def names_of(station: Station, contract: Contract) -> list[CertificateName]:
    """The contract's certificate and those behind it, as OCSP names them; at most four."""
    if not contract.chain_pem:
        return pretend_names(contract.emaid, contract.responder_url)
    return _names_in(station, contract.chain_pem, contract.responder_url)


def _names_in(station: Station, chain_pem: bytes, responder_url: str) -> list[CertificateName]:
    from simfleet.pki import checks  # a fleet without it never pays

    chain = [checks.pem_of(one) for one in checks.certificates_in(chain_pem)]
    issuers = [*chain, *_roots(station)]
    named = []
    for pem in chain[:NAMED_MAX]:
        name = checks.certificate_hash_data(pem, checks.issuer_among(pem, issuers))
        named.append(CertificateName(*name, responder_url))
    return named


def _roots(station: Station) -> list[bytes]:
    state = station.security
    if state is None:
        return []
    return [root.pem for root in state.roots if root.use in CONTRACT_ROOTS]


def verdict(station: Station, contract: Contract, *, at_s: float) -> Verdict:
    """What the station itself thinks of a contract; unknown: it has no root for it."""
    if not contract.chain_pem:
        return "good"
    from simfleet.pki import checks

    wall_s = station.wall_s(at_s)
    if checks.check_chain(contract.chain_pem, at_wall_s=wall_s, any_use=True) is not None:
        return "bad"
    return "good" if can_check(station, contract) else "unknown"


def can_check(station: Station, contract: Contract) -> bool:
    """Whether the station has the root of a contract; otherwise the CSMS is to check it
    (C07.FR.06).
    """
    if not contract.chain_pem:
        return True
    roots = b"".join(_roots(station))
    if not roots:
        return False
    from simfleet.pki import checks

    return checks.check_chain(contract.chain_pem, roots, at_wall_s=None, any_use=True) is None


def refuses(station: Station, id_tag: str, connector_id: int, *, at_s: float) -> bool:
    """Whether a tag is a contract that the station need not ask about: no Plug & Charge here, a
    vehicle that is revoked, a bad contract, or one it cannot check and may not have checked.
    """
    if not is_contract(id_tag):
        return False
    if not _allows(station, PNC_ENABLED):
        return True
    state = station.plug_and_charge
    if state is not None and state.vehicles.get(connector_id) == "Revoked":
        return True
    found = verdict(station, contract_of(station, id_tag), at_s=at_s)
    return found == "bad" or (found == "unknown" and not _allows(station, CENTRAL_VALIDATION))


def trusted_offline(station: Station, id_tag: str, *, at_s: float) -> bool:
    """Whether a tag may be judged by list and cache while nobody can be asked: a contract only if
    the station can and may check it (C07.FR.07, C08).
    """
    if not is_contract(id_tag):
        return True
    return (
        _allows(station, OFFLINE_VALIDATION)
        and verdict(station, contract_of(station, id_tag), at_s=at_s) == "good"
    )


def _allows(station: Station, key: str) -> bool:
    return station.configuration.get(key) in ("true", None)  # 1.6 knows nothing of it


# ── a vehicle wants a contract ────────────────────────────────────────────────────────────────────


def want_certificate(station: Station, wanted: EvCertificateWanted, *, at_s: float) -> None:
    """The vehicle at a connector asks for a contract certificate (M01, M02). Raises `Refused` where
    there is no vehicle, the station passes no such request on, or its version has none.
    """
    connector = station.connector(wanted.connector_id)
    if not connector.plugged:
        raise Refused(f"connector {connector.id} has no vehicle")
    if station.configuration.get(CONTRACT_INSTALLATION) != "true":
        raise Refused(f"{station.identity} passes no certificate requests of vehicles on")
    question = EvCertificateQuestion(
        connector.id,
        wanted.schema_version,
        wanted.action,
        wanted.exi_request,
        wanted.contracts_max,
        wanted.emaids,
    )
    station.say(question, due_s=at_s)


def certificate_answered(
    station: Station,
    question: EvCertificateQuestion,
    status: str,
    exi_response: str,
    *,
    remaining: int | None = None,
    at_s: float,
) -> None:
    """The CSMS has answered a vehicle. While it has more contracts and the vehicle takes more, the
    next one is asked for (2.1).
    """
    _of(station).answers[question.connector_id] = (status, exi_response)
    left = 0 if question.contracts_max is None else question.contracts_max - 1
    if status != "Accepted" or not remaining or left <= 0:
        return
    station.say(
        EvCertificateQuestion(
            question.connector_id,
            question.schema_version,
            question.action,
            question.exi_request,
            left,
            question.emaids,
        ),
        due_s=at_s,
    )


# ── revocations ───────────────────────────────────────────────────────────────────────────────────


def ask_about_own(station: Station, *, at_s: float) -> None:
    """Have the CSMS say whether the station's V2G certificates are revoked (M06): vehicles want to
    see the answer.
    """
    for name in _own_names(station):
        station.say(OcspQuestion(name), due_s=at_s)
    agenda.at(station, Job.OCSP, at_s + OCSP_REFRESH_S)


def _own_names(station: Station) -> Iterable[CertificateName]:
    state = station.security
    own = [] if state is None else [one for one in state.own if one.use.startswith("V2G")]
    for one in own:
        yield from _names_in(station, one.chain_pem, "http://ocsp.example/v2g")


def ocsp_due(station: Station, _: int, /, *, at_s: float) -> None:
    """Agenda: ask again. While nobody listens there is no use in asking."""
    if not station.may_report:
        agenda.at(station, Job.OCSP, at_s + OCSP_RETRY_S)
    elif any(True for _ in _own_names(station)):
        ask_about_own(station, at_s=at_s)


def ocsp_answered(
    station: Station, question: OcspQuestion, result: str | None, *, at_s: float
) -> None:
    """The CSMS has said what it knows of a certificate; None: nothing, so ask again soon."""
    _of(station).ocsp[question.certificate.serial_number] = result
    if result is None:
        agenda.at(station, Job.OCSP, at_s + OCSP_RETRY_S)


def show_vehicle(station: Station, shown: VehicleCertificateShown, *, at_s: float) -> None:
    """A vehicle has shown its certificate: have the CSMS say whether it is revoked (2.1 M07).
    Raises `Refused` where there is no vehicle.
    """
    connector = station.connector(shown.connector_id)
    if not connector.plugged:
        raise Refused(f"connector {connector.id} has no vehicle")
    responder = "http://ocsp.example/vehicle"
    names = (
        _names_in(station, shown.chain_pem, responder)
        if shown.chain_pem
        else pretend_names(shown.name, responder)
    )
    station.say(ChainQuestion(connector.id, tuple(names[:NAMED_MAX])), due_s=at_s)


def chain_answered(station: Station, question: ChainQuestion, statuses: Iterable[str]) -> None:
    """What the CSMS has said of a vehicle's certificates: one that is revoked is enough."""
    said = set(statuses)
    worst = next((one for one in ("Revoked", "Failed", "Unknown") if one in said), "Good")
    _of(station).vehicles[question.connector_id] = worst


def unplugged(station: Station, connector_id: int) -> None:
    """The vehicle has gone."""
    state = station.plug_and_charge
    if state is not None:
        state.vehicles.pop(connector_id, None)
        state.answers.pop(connector_id, None)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[Contract]:
    """What survives a loss of power: the contracts of the vehicles that come here."""
    state = station.plug_and_charge
    return [] if state is None else list(state.contracts.values())


def restore(station: Station, known: list[Contract]) -> None:
    """Put it into a station that is made anew."""
    for contract in known:
        learn(station, contract)
