"""Paying at the station (OCPP 2.1 part 2, C19 to C25): cards at a payment terminal, settlements,
VAT numbers, and payment in the web, for the time of which an EVSE is kept for whoever pays there.

The station is told of the terminal by events; the CSMS hears of settlements also when they were
made offline. A receipt that the CSMS has made out, and a company whose VAT number it has confirmed,
stay with the EVSE until the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.errors import Refused
from simfleet.station.payment_messages import Settlement, VatQuestion
from simfleet.station.receipt import Receipt
from simfleet.station.tokens import folded, tag_of

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.events import CardPresented, Settled, VatNumberTyped
    from simfleet.station.receipt import Company
    from simfleet.station.station import Station

CARDS_MAX: Final = 32
"""Cards remembered; the oldest goes first."""
RECEIPTS_MAX: Final = 32
DIRECT: Final = "DirectPayment"


class Card(Struct, frozen=True, gc=False):
    """A payment that the terminal has authorized; its reference is the tag."""

    psp_ref: str
    brand: str | None = None
    recognition: str | None = None


class Payments:
    """What a station knows of payments; None at one that never had any."""

    __slots__ = ("cards", "companies", "receipts", "refused_vat", "web_until_s")

    def __init__(self) -> None:
        self.cards: dict[str, Card] = {}
        """By the tag as tags are compared."""
        self.companies: dict[int, tuple[str, Company | None]] = {}
        """The VAT number that was confirmed last at an EVSE, and whose it is."""
        self.refused_vat: dict[int, str] = {}
        """The one that was not."""
        self.receipts: dict[str, Receipt] = {}
        """By reference of the payment."""
        self.web_until_s: dict[int, float] = {}
        """Until when an EVSE is kept for a payment in the web."""


def of(station: Station) -> Payments:
    """The payments of a station, which is to have some from now on."""
    if station.payments is None:
        station.payments = Payments()
    return station.payments


def only_21(station: Station, what: str) -> None:
    """Raises `Refused` where the version has no words for it."""
    if not station.dialect.resumes:
        raise Refused(f"{what} is told of in OCPP 2.1 alone, not in {station.spec.version}")


# ── cards ─────────────────────────────────────────────────────────────────────────────────────────


def card_tag(station: Station, event: CardPresented) -> str:
    """The terminal has authorized a payment: the tag that stands for it."""
    only_21(station, "payment by card")
    payments = of(station)
    tag = tag_of(DIRECT, event.psp_ref)
    while len(payments.cards) >= CARDS_MAX:
        del payments.cards[next(iter(payments.cards))]
    payments.cards[folded(tag)] = Card(event.psp_ref, event.brand, event.recognition)
    return tag


def card_of(station: Station, id_tag: str | None) -> Card | None:
    """The card that a tag stands for; None: it stands for none."""
    if station.payments is None or id_tag is None:
        return None
    return station.payments.cards.get(folded(id_tag))


# ── settlements ───────────────────────────────────────────────────────────────────────────────────


def settle(station: Station, event: Settled, *, at_s: float) -> None:
    """The terminal has settled a payment, or failed to (C19 to C22)."""
    only_21(station, "a settlement")
    known = of(station).companies.get(event.connector_id)
    number, company = known or (None, None)
    settled = event.status == "Settled"
    station.say(
        Settlement(
            psp_ref=event.psp_ref,
            status=event.status,
            amount=event.amount,
            wall_s=station.wall_s(at_s),
            transaction_id=event.transaction_id,
            info=event.info,
            receipt=Receipt(event.receipt_id, event.receipt_url) if settled else None,
            vat_number=number if settled else None,
            company=company if settled else None,
        ),
        due_s=at_s,
    )


def settled(station: Station, psp_ref: str, receipt: Receipt) -> None:
    """The CSMS knows of a settlement, and may have made out a receipt."""
    if receipt.id is None and receipt.url is None:
        return
    receipts = of(station).receipts
    while len(receipts) >= RECEIPTS_MAX:
        del receipts[next(iter(receipts))]
    receipts[psp_ref] = receipt


# ── VAT numbers ───────────────────────────────────────────────────────────────────────────────────


def ask_vat(station: Station, event: VatNumberTyped, *, at_s: float) -> None:
    """A driver has typed a VAT number for the receipt."""
    only_21(station, "a VAT number")
    station.connector(event.connector_id)
    station.say(VatQuestion(event.vat_number, event.connector_id), due_s=at_s)


def vat_answered(
    station: Station,
    question: VatQuestion,
    status: Literal["Accepted", "Rejected"],
    company: Company | None,
) -> None:
    """The CSMS has looked a VAT number up."""
    payments = of(station)
    if status == "Accepted":
        payments.companies[question.connector_id] = (question.vat_number, company)
        payments.refused_vat.pop(question.connector_id, None)
    else:
        payments.companies.pop(question.connector_id, None)
        payments.refused_vat[question.connector_id] = question.vat_number


# ── payment in the web ────────────────────────────────────────────────────────────────────────────


def web_started(station: Station, evse_id: int, timeout_s: int, *, at_s: float) -> None:
    """NotifyWebPaymentStarted: nobody else may start at that EVSE for so long (C25). 0 takes it
    back; an EVSE that does not exist, or where a transaction runs, is left alone.
    """
    if not 1 <= evse_id <= len(station.connectors):
        return
    if timeout_s <= 0:
        if station.payments is not None:
            station.payments.web_until_s.pop(evse_id, None)
    elif station.connectors[evse_id - 1].transaction is None:
        of(station).web_until_s[evse_id] = at_s + timeout_s


def kept_for_web(station: Station, connector: Connector, *, at_s: float) -> bool:
    """Whether an EVSE is kept for somebody who pays in the web."""
    if station.payments is None:
        return False
    until_s = station.payments.web_until_s.get(connector.id)
    if until_s is None:
        return False
    if at_s < until_s:
        return True
    del station.payments.web_until_s[connector.id]
    return False


def web_over(station: Station, connector: Connector) -> None:
    """Whoever has paid has started, or nobody will any more."""
    if station.payments is not None:
        station.payments.web_until_s.pop(connector.id, None)
