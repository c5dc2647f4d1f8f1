"""OCPP 2.0.1 and 2.1: what many messages have in common: moments, tags, sampled values."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from simfleet.station import payment
from simfleet.station.meter import samples
from simfleet.station.tokens import TokenInfo, tag_of, typed

if TYPE_CHECKING:
    from types import ModuleType

    from simfleet.station.meter import Reading
    from simfleet.station.station import Station

_DEFAULT_CONTEXT: Final = "Sample.Periodic"


def id_token(station: Station, id_tag: str) -> Any:
    """A tag as OCPP 2.x writes it."""
    m = station.dialect.m
    kind, text = typed(id_tag)
    if station.payments is not None:
        card = payment.card_of(station, id_tag)
        if card is not None:
            return m.IdToken(id_token=text, type=kind, additional_info=_card_info(m, card))
    return m.IdToken(id_token=text, type=kind)


def _card_info(m: Any, card: payment.Card) -> list[Any] | None:
    """What the terminal has said of a card (2.1 C18)."""
    said = (("PaymentBrand", card.brand), ("PaymentRecognition", card.recognition))
    return [
        m.AdditionalInfo(additional_id_token=text, type=kind)
        for kind, text in said
        if text is not None
    ] or None


def tag(id_token: Any) -> str:
    """The inverse of `id_token`."""
    return tag_of(id_token.type, id_token.id_token)


def token_info(said: Any) -> TokenInfo:
    """IdTokenInfo in domain words; the group takes the place of 1.6's parent."""
    expires = said.cache_expiry_date_time
    group = said.group_id_token
    return TokenInfo(
        said.status,
        None if group is None else tag(group),
        None if expires is None else expires.timestamp(),
        tuple(said.evse_id or ()),
    )


def sampled_values(
    station: Station, reading: Reading, measurands: tuple[str, ...], context: str
) -> list[Any]:
    """A reading in the words of 2.x: numbers, and units apart."""
    m = station.dialect.m
    sampled_value, said = m.SampledValue, None if context == _DEFAULT_CONTEXT else context
    return [
        sampled_value(
            value=float(s.value),
            measurand=s.measurand,
            context=said,
            phase=s.phase,
            location=s.location,
            unit_of_measure=None if s.unit is None else _unit(m, s.unit),
        )
        for s in samples(reading, measurands)
    ]


@lru_cache(maxsize=64)
def _unit(m: ModuleType, unit: str) -> Any:
    return m.UnitOfMeasure(unit=unit)
