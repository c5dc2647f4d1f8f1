"""Payment at the station and in the web (OCPP 2.1 part 2, C18 to C25)."""

from __future__ import annotations

import pytest

from builders_station2 import OTHER_TAG, SILENCE, TAG, Scene2
from simfleet.errors import Refused
from simfleet.station.events import CardPresented, Settled, StopRequested, VatNumberTyped
from simfleet.station.receipt import Receipt

COMPANY = {"name": "Acme", "address1": "Road 1", "city": "Ghent", "country": "BE"}


def a_scene(version: str = "ocpp2.1", **options: int) -> Scene2:
    scene = Scene2(version=version, **options)
    scene.boot()
    return scene


def start_remotely(scene: Scene2, evse_id: int = 1) -> str:
    token = {"idToken": "psp-7", "type": "DirectPayment"}
    return scene.call(
        "RequestStartTransaction", idToken=token, remoteStartId=1, evseId=evse_id
    ).status


# ── cards and settlements ─────────────────────────────────────────────────────────────────────────


def test_the_reference_of_a_payment_is_the_tag() -> None:
    """C18: idToken of type DirectPayment, with what the terminal knows of the card."""
    scene = a_scene()
    scene.plug_in()
    scene.tell(CardPresented("psp-7", brand="VISA", recognition="CC"))
    (asked,) = scene.sent("Authorize")
    assert asked["idToken"] == {
        "idToken": "psp-7",
        "type": "DirectPayment",
        "additionalInfo": [
            {"additionalIdToken": "VISA", "type": "PaymentBrand"},
            {"additionalIdToken": "CC", "type": "PaymentRecognition"},
        ],
    }
    assert len(scene.events("Started")) == 1


@pytest.mark.parametrize(("brand", "fee"), [("VISA", 0.25), ("AMEX", 1.0)])
def test_a_brand_can_cost_more(brand: str, fee: float) -> None:
    """TariffConditionsFixedType.paymentBrand."""
    scene = a_scene()
    dear = {"priceFixed": 1.0, "conditions": {"paymentBrand": "AMEX"}}
    prices = [dear, {"priceFixed": 0.25}]
    scene.call(
        "SetDefaultTariff",
        evseId=0,
        tariff={"tariffId": "T", "currency": "EUR", "fixedFee": {"prices": prices}},
    )
    scene.plug_in()
    scene.tell(CardPresented("psp-7", brand=brand))
    scene.tell(StopRequested())
    (ended,) = scene.events("Ended")
    assert ended["costDetails"]["totalCost"]["fixed"]["exclTax"] == fee


def test_a_settlement_is_told_and_its_receipt_kept() -> None:
    """C21: NotifySettlement; the receipt that the CSMS makes out."""
    scene = a_scene()
    scene.on("NotifySettlement", receiptUrl="https://r.example/1", receiptId="R1")
    scene.tell(Settled("psp-7", 12.5, transaction_id="tx"))
    (told,) = scene.sent("NotifySettlement")
    assert told.payload == {
        "pspRef": "psp-7",
        "status": "Settled",
        "settlementAmount": 12.5,
        "settlementTime": scene.clock,
        "transactionId": "tx",
    }
    payments = scene.station.payments
    assert payments is not None
    assert payments.receipts["psp-7"] == Receipt("R1", "https://r.example/1")


@pytest.mark.parametrize("status", ["Canceled", "Rejected", "Failed"])
def test_a_payment_that_was_not_settled_has_no_receipt(status: str) -> None:
    """C19, C20, C22."""
    scene = a_scene()
    scene.tell(Settled("psp-7", 0.0, status=status, info="why", receipt_id="R"))  # type: ignore[arg-type]
    (told,) = scene.sent("NotifySettlement")
    assert (told["status"], told["statusInfo"]) == (status, "why")
    assert "receiptId" not in told.payload


def test_a_settlement_that_was_made_offline_is_told_later() -> None:
    """C21: also one whose answer was lost with the link."""
    scene = a_scene()
    scene.on("NotifySettlement", SILENCE, {})
    scene.tell(Settled("psp-1", 1.0))
    scene.disconnect()
    scene.tell(Settled("psp-2", 2.0))
    scene.connect()
    told = [one["pspRef"] for one in scene.sent("NotifySettlement")]
    assert told == ["psp-1", "psp-1", "psp-2"]


def test_payments_are_of_2_1_alone() -> None:
    """2.0.1 has no words for them."""
    scene = a_scene("ocpp2.0.1")
    for event in (Settled("psp-7", 1.0), CardPresented("psp-7"), VatNumberTyped("BE1")):
        with pytest.raises(Refused):
            scene.tell(event)


# ── VAT numbers ───────────────────────────────────────────────────────────────────────────────────


def test_a_confirmed_vat_number_is_on_the_receipt() -> None:
    """VatNumberValidation, then NotifySettlement with vatNumber and vatCompany."""
    scene = a_scene()
    scene.on("VatNumberValidation", status="Accepted", vatNumber="BE1", company=COMPANY)
    scene.tell(VatNumberTyped("BE1"))
    (asked,) = scene.sent("VatNumberValidation")
    assert asked.payload == {"vatNumber": "BE1", "evseId": 1}
    scene.tell(Settled("psp-7", 1.0))
    (told,) = scene.sent("NotifySettlement")
    assert (told["vatNumber"], told["vatCompany"]) == ("BE1", COMPANY)


def test_a_refused_vat_number_is_not() -> None:
    """VatNumberValidation Rejected."""
    scene = a_scene()
    scene.on("VatNumberValidation", status="Rejected", vatNumber="BE2")
    scene.tell(VatNumberTyped("BE2"))
    scene.tell(Settled("psp-7", 1.0))
    (told,) = scene.sent("NotifySettlement")
    assert "vatNumber" not in told.payload


# ── payment in the web ────────────────────────────────────────────────────────────────────────────


def test_an_evse_is_kept_for_whoever_pays_in_the_web() -> None:
    """C25: nobody starts there locally for so long; other EVSEs are free."""
    scene = a_scene(connectors=2)
    assert scene.call("NotifyWebPaymentStarted", evseId=1, timeout=60).payload == {}
    scene.plug_in(1)
    scene.present_tag(TAG, 1)
    assert scene.sent("Authorize") == []
    scene.charge(2, tag=OTHER_TAG)
    assert len(scene.events("Started")) == 1
    scene.run(for_s=60)
    scene.present_tag(TAG, 1)
    assert len(scene.events("Started")) == 2


def test_the_csms_starts_what_was_paid_for_in_the_web() -> None:
    """C25: RequestStartTransaction goes before the time is up, and nothing is kept after it."""
    scene = a_scene()
    scene.call("NotifyWebPaymentStarted", evseId=1, timeout=600)
    scene.plug_in()
    assert start_remotely(scene) == "Accepted"
    assert len(scene.events("Started")) == 1
    scene.tell(StopRequested())
    scene.charge()
    assert len(scene.events("Started")) == 2


def test_a_timeout_of_0_frees_the_evse() -> None:
    """C25."""
    scene = a_scene()
    scene.call("NotifyWebPaymentStarted", evseId=1, timeout=600)
    scene.call("NotifyWebPaymentStarted", evseId=1, timeout=0)
    scene.charge()
    assert len(scene.events("Started")) == 1


def test_an_evse_that_does_not_exist_is_not_kept() -> None:
    """C25: the answer is empty all the same."""
    scene = a_scene()
    assert scene.call("NotifyWebPaymentStarted", evseId=5, timeout=600).payload == {}
    scene.charge()
    assert len(scene.events("Started")) == 1
