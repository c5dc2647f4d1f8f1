"""The contract that a vehicle charges under (ISO 15118 Plug & Charge), and how its certificates are
named to a CSMS.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from msgspec import Struct

EMAID_PREFIX: Final = "eMAID:"
"""What a tag begins with that names a contract, see `tokens.typed`."""
DEFAULT_RESPONDER: Final = "http://ocsp.example/mo"
NAMED_MAX: Final = 4
"""iso15118CertificateHashData takes up to four certificates."""


class CertificateName(Struct, frozen=True, gc=False):
    """A certificate as an OCSP request names it, and who is to be asked about it."""

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"]
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: str


class Contract(Struct, frozen=True, gc=False, omit_defaults=True):
    """A contract in a vehicle. `chain_pem` is its certificate with the intermediate ones behind it;
    empty: a pretend one that is always in order, named by what `emaid` makes of it.
    """

    emaid: str
    chain_pem: bytes = b""
    responder_url: str = DEFAULT_RESPONDER


def pretend_names(emaid: str, responder_url: str = DEFAULT_RESPONDER) -> list[CertificateName]:
    """Names for the certificates that a pretend contract would have, the same for the same eMAID:
    the contract's own, and those of the two authorities between it and its root.
    """
    provider = emaid[:5].upper()
    levels = (f"contract {emaid.upper()}", f"MO sub-CA 2 of {provider}", f"MO sub-CA 1 {provider}")
    issuers = (levels[1], levels[2], f"MO root of {provider}")
    return [
        CertificateName(
            "SHA256",
            _digest(f"name of {issuer}"),
            _digest(f"key of {issuer}"),
            _digest(level)[:16].lstrip("0") or "1",
            responder_url,
        )
        for level, issuer in zip(levels, issuers, strict=True)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
