"""ISO 15118 Plug & Charge as a CSMS of OCPP 2.0.1 and 2.1 sees it (C07, C08, M01, M02, M07)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders_maintenance2 import SecureScene2, a_secure_scene2
from builders_pki import Ca
from builders_security import NOW
from builders_station2 import accepted, versions
from simfleet.errors import Refused
from simfleet.pki.checks import certificate_hash_data
from simfleet.station.contract import Contract, pretend_names
from simfleet.station.events import ContractGiven, EvCertificateWanted, VehicleCertificateShown

EMAID = "DE*ABC*C12345678"
TAG = f"eMAID:{EMAID}"


class Maker:
    """A mobility operator: a root, an authority under it, and contracts."""

    def __init__(self) -> None:
        self.root = Ca("MO Root", now=NOW)
        self.sub = Ca("MO Sub", now=NOW, parent=self.root)

    def contract(self, **more: Any) -> Contract:
        return Contract(
            EMAID, self.sub.station(EMAID, **more).pem + self.sub.pem, "http://ocsp.mo.example"
        )


def authorizations(scene: SecureScene2) -> list[dict[str, Any]]:
    return [one.payload for one in scene.sent("Authorize")]


def charges(scene: SecureScene2) -> bool:
    return scene.station.connectors[0].transaction is not None


def a_scene(version: str, **configuration: str) -> SecureScene2:
    named = {
        "offline": "ISO15118Ctrlr.ContractValidationOffline",
        "central": "ISO15118Ctrlr.CentralContractValidationAllowed",
        "installation": "ISO15118Ctrlr.ContractCertificateInstallationEnabled",
        "pnc": "ISO15118Ctrlr.PnCEnabled",
        "unknown": "AllowOfflineTxForUnknownId",
        "cache": "AuthorizationCacheEnabled",
    }
    values = {named[name]: value for name, value in configuration.items()}
    return a_secure_scene2(version, configuration=values)


# ── C07: asking about a contract ──────────────────────────────────────────────────────────────────


@versions
def test_a_contract_is_asked_about_with_the_names_of_its_certificates(version: str) -> None:
    """C07.FR.01: idToken of type eMAID with iso15118CertificateHashData."""
    scene = a_scene(version)
    scene.charge(tag=TAG)
    (asked,) = authorizations(scene)
    assert asked["idToken"] == {"idToken": EMAID, "type": "eMAID"}
    names = asked["iso15118CertificateHashData"]
    assert len(names) == 3
    assert len({one["issuerNameHash"] for one in names}) == 3
    assert "certificate" not in asked
    assert charges(scene)
    assert scene.events("Started")[0]["idToken"] == {"idToken": EMAID, "type": "eMAID"}


def test_the_names_of_a_pretend_contract_are_always_the_same() -> None:
    """A backend that is taught a contract once knows it for ever."""
    assert pretend_names(EMAID) == pretend_names(EMAID.lower()[:2].upper() + EMAID[2:])
    assert pretend_names(EMAID) != pretend_names("DE*ABC*C00000000")
    assert pretend_names(EMAID)[1:] == pretend_names("DE*ABC*C00000000")[1:]


@versions
def test_a_real_contract_is_named_as_ocsp_names_it(version: str) -> None:
    """C07.FR.01: the hashes of the contract's chain, where the station has its root."""
    scene, maker = a_scene(version), Maker()
    scene.trust2(maker.root, use="MORootCertificate")
    contract = maker.contract()
    scene.tell(ContractGiven(contract))
    scene.charge(tag=TAG)
    (asked,) = authorizations(scene)
    leaf = certificate_hash_data(contract.chain_pem, maker.sub.pem)
    sub = certificate_hash_data(maker.sub.pem, maker.root.pem)
    assert [one["serialNumber"] for one in asked["iso15118CertificateHashData"]] == [
        leaf.serial_number,
        sub.serial_number,
    ]
    assert asked["iso15118CertificateHashData"][0]["issuerKeyHash"] == leaf.issuer_key_hash
    assert {one["responderURL"] for one in asked["iso15118CertificateHashData"]} == {
        "http://ocsp.mo.example"
    }


@versions
def test_a_contract_without_a_root_here_is_sent_whole(version: str) -> None:
    """C07.FR.06: CentralContractValidationAllowed true: `certificate`, and no hash data."""
    scene, contract = a_scene(version), Maker().contract()
    scene.tell(ContractGiven(contract))
    scene.charge(tag=TAG)
    (asked,) = authorizations(scene)
    assert asked["certificate"] == contract.chain_pem.decode()
    assert "iso15118CertificateHashData" not in asked
    assert charges(scene)


@versions
def test_a_contract_without_a_root_that_may_not_be_sent_is_refused(version: str) -> None:
    """C07: CentralContractValidationAllowed false: no question, no charging."""
    scene = a_scene(version, central="false")
    scene.tell(ContractGiven(Maker().contract()))
    scene.charge(tag=TAG)
    assert authorizations(scene) == []
    assert not charges(scene)


@versions
def test_a_contract_that_has_expired_is_refused_without_a_question(version: str) -> None:
    """C07: the station sees for itself."""
    scene, maker = a_scene(version), Maker()
    scene.trust2(maker.root, use="MORootCertificate")
    begins = NOW - timedelta(days=20)
    scene.tell(ContractGiven(maker.contract(begins=begins, lasts=timedelta(days=10))))
    scene.charge(tag=TAG)
    assert authorizations(scene) == []
    assert not charges(scene)


@versions
@pytest.mark.parametrize(
    "status", ["CertificateRevoked", "ContractCancelled", "CertificateExpired", "SignatureError"]
)
def test_a_contract_whose_certificate_the_csms_dislikes_does_not_charge(
    version: str, status: str
) -> None:
    """C07.FR.02: idTokenInfo and certificateStatus must both be Accepted."""
    scene = a_scene(version, cache="true")
    scene.on("Authorize", accepted() | {"certificateStatus": status})
    scene.charge(tag=TAG)
    assert not charges(scene)
    scene.on("Authorize", accepted() | {"certificateStatus": "Accepted"})
    scene.present_tag(TAG)
    assert charges(scene)


@versions
def test_without_plug_and_charge_no_contract_charges(version: str) -> None:
    """ISO15118Ctrlr.PnCEnabled false."""
    scene = a_scene(version, pnc="false")
    scene.charge(tag=TAG)
    assert authorizations(scene) == []
    assert not charges(scene)


@versions
def test_other_tags_are_asked_about_as_ever(version: str) -> None:
    """No certificates for what is no contract."""
    scene = a_scene(version, pnc="false", offline="false", central="false")
    scene.charge()
    assert list(authorizations(scene)[0]) == ["idToken"]
    assert charges(scene)


# ── C08: while nobody can be asked ────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize(("offline", "expected"), [("true", True), ("false", False)])
def test_offline_a_contract_counts_only_where_the_station_may_validate_it(
    version: str, offline: str, expected: bool
) -> None:
    """C07.FR.07, .08: ContractValidationOffline; then it is judged as any other tag."""
    scene = a_scene(version, offline=offline, unknown="true")
    scene.disconnect()
    scene.charge(tag=TAG)
    assert charges(scene) is expected


@versions
def test_offline_a_contract_that_is_known_charges(version: str) -> None:
    """C07.FR.09: found in the cache, LocalAuthorizeOffline."""
    scene = a_scene(version, cache="true")
    scene.charge(tag=TAG)
    scene.present_tag(TAG)
    scene.unplug()
    scene.disconnect()
    scene.charge(tag=TAG)
    assert charges(scene)


@versions
def test_offline_an_unknown_contract_does_not_charge(version: str) -> None:
    """C07.FR.10: OfflineTxForUnknownIdEnabled false."""
    scene = a_scene(version)
    scene.disconnect()
    scene.charge(tag=TAG)
    assert not charges(scene)


@versions
def test_offline_a_contract_without_a_root_here_does_not_charge(version: str) -> None:
    """C08: the station cannot validate it."""
    scene = a_scene(version, unknown="true")
    scene.tell(ContractGiven(Maker().contract()))
    scene.disconnect()
    scene.charge(tag=TAG)
    assert not charges(scene)


# ── M01, M02: a vehicle wants a contract ──────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("action", ["Install", "Update"])
def test_a_vehicles_request_for_a_contract_is_passed_on(version: str, action: Any) -> None:
    """M01.FR.01, M02.FR.01: Get15118EVCertificate; the answer goes to the vehicle."""
    scene = a_scene(version)
    scene.on("Get15118EVCertificate", {"status": "Accepted", "exiResponse": "gAA="})
    scene.plug_in()
    scene.tell(EvCertificateWanted("gJgC", action=action))
    (asked,) = scene.sent("Get15118EVCertificate")
    assert asked.payload == {
        "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
        "action": action,
        "exiRequest": "gJgC",
    }
    state = scene.station.plug_and_charge
    assert state is not None
    assert state.answers == {1: ("Accepted", "gAA=")}
    scene.unplug()
    assert state.answers == {}


def test_a_vehicle_of_15118_20_gets_contracts_until_it_has_enough() -> None:
    """2.1 M01: maximumContractCertificateChains, prioritizedEMAIDs, remainingContracts."""
    scene = a_scene("ocpp2.1")
    scene.on(
        "Get15118EVCertificate",
        {"status": "Accepted", "exiResponse": "gAA=", "remainingContracts": 5},
        {"status": "Accepted", "exiResponse": "gBA=", "remainingContracts": 4},
    )
    scene.plug_in()
    scene.tell(EvCertificateWanted("gJgC", contracts_max=2, emaids=(EMAID,)))
    asked = scene.sent("Get15118EVCertificate")
    assert [one["maximumContractCertificateChains"] for one in asked] == [2, 1]
    assert [one["prioritizedEMAIDs"] for one in asked] == [[EMAID]] * 2


@versions
def test_a_request_is_refused_without_a_vehicle_or_where_it_is_switched_off(version: str) -> None:
    """ISO15118Ctrlr.ContractCertificateInstallationEnabled."""
    scene = a_scene(version)
    with pytest.raises(Refused, match="no vehicle"):
        scene.tell(EvCertificateWanted("gJgC"))
    scene = a_scene(version, installation="false")
    scene.plug_in()
    with pytest.raises(Refused, match="passes no certificate requests"):
        scene.tell(EvCertificateWanted("gJgC"))


# ── 2.1 M07: the certificate of a vehicle ─────────────────────────────────────────────────────────


def chain_status(*statuses: str) -> dict[str, Any]:
    names = pretend_names("vehicle")
    return {
        "certificateStatus": [
            {
                "certificateHashData": {
                    "hashAlgorithm": "SHA256",
                    "issuerNameHash": name.issuer_name_hash,
                    "issuerKeyHash": name.issuer_key_hash,
                    "serialNumber": name.serial_number,
                },
                "source": "OCSP",
                "status": status,
                "nextUpdate": "2026-03-02T00:00:00Z",
            }
            for name, status in zip(names, statuses, strict=False)
        ]
    }


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [(("Good", "Good", "Good"), True), (("Good", "Revoked"), False), (("Unknown",), True)],
)
def test_a_vehicle_whose_certificate_is_revoked_charges_under_no_contract(
    statuses: tuple[str, ...], expected: bool
) -> None:
    """2.1 M07: GetCertificateChainStatus, one entry per certificate of the chain."""
    scene = a_scene("ocpp2.1")
    scene.on("GetCertificateChainStatus", chain_status(*statuses))
    scene.plug_in()
    scene.tell(VehicleCertificateShown())
    (asked,) = scene.sent("GetCertificateChainStatus")
    assert len(asked["certificateStatusRequests"]) == 3
    assert asked["certificateStatusRequests"][0]["source"] == "OCSP"
    scene.present_tag(TAG)
    assert charges(scene) is expected
    if not expected:
        scene.unplug()
        scene.charge(tag=TAG)
        assert charges(scene), "the next vehicle is another"


def test_201_cannot_ask_about_vehicles() -> None:
    """GetCertificateChainStatus is new in 2.1."""
    scene = a_scene("ocpp2.0.1")
    scene.plug_in()
    scene.mark()
    scene.tell(VehicleCertificateShown())
    assert scene.sent() == []
