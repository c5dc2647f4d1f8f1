"""Certificate signing requests of stations: signed in a thread, sent back as CertificateSigned.

A session only asks (`Signing.ask`) and answers its station; `Signing.run` does the rest, one
request after the other. Signing takes a quarter of a millisecond, which 10,000 stations at once
would take from the event loop as two and a half seconds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio

from simfleet.errors import Refused
from simfleet.ocpp.v16.messages import CertificateSignedRequest
from simfleet.pki.authority import Authority, PkiInvalid, chain_of, read_request
from simfleet.pki.ocsp import ocsp_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.csms.access import Doorkeeper
    from simfleet.csms.behaviour import Sign
    from simfleet.csms.server import Csms
    from simfleet.ocpp.results import Outcome
    from simfleet.ocpp.wire import Wire

WAITING_MAX: Final = 10_000
"""Requests waiting to be signed; a further one is answered Rejected."""
GARBAGE: Final = (
    "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
)


class _Ask(NamedTuple):
    identity: str
    csr: str
    make: Callable[..., Wire]
    for_vehicles: bool


class Signing:
    """The authority behind a CSMS. `how` is `Behaviour.sign`."""

    def __init__(self, csms: Csms, authority: Authority, doorkeeper: Doorkeeper) -> None:
        self._csms = csms
        self._authority = authority
        self._doorkeeper = doorkeeper
        self._asks, self._asked = trio.open_memory_channel[_Ask](WAITING_MAX)

    def ask(
        self,
        identity: str,
        csr: str,
        *,
        make: Callable[..., Wire] = CertificateSignedRequest,
        for_vehicles: bool = False,
    ) -> bool:
        """Have a request signed and sent back in what `make` makes of the chain; False when too
        many are waiting. One that vehicles are shown (ISO 15118) may have any name, and lets nobody
        in here.
        """
        try:
            self._asks.send_nowait(_Ask(identity, csr, make, for_vehicles))
        except trio.WouldBlock:
            return False
        return True

    async def run(self) -> None:
        """Sign until cancelled."""
        async for ask in self._asked:
            await self._answer(ask)

    def ocsp(self, asked: Any) -> str | None:
        """What this authority says of the certificate that OCSPRequestData names."""
        status = self._csms.behaviour.revocation
        if status == "failed":
            return None
        return ocsp_response(
            self._authority,
            hash_algorithm=asked.hash_algorithm,
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            status=status,
            at_wall_s=self._csms.wall_s(),
        )

    async def _answer(self, ask: _Ask) -> None:
        identity, csr = ask.identity, ask.csr
        csms = self._csms
        how, upkeep = csms.behaviour.sign, csms.book.upkeep
        if how == "never":
            return
        record = csms.book.stations.get(identity)
        serial = None if record is None else record.serial_number
        names: tuple[str, ...] = (identity,) if serial is None else (identity, serial)
        if ask.for_vehicles:
            names = ()
        try:
            chain, name = await trio.to_thread.run_sync(
                partial(
                    signed_chain, self._authority, csr, names=names, how=how, wall_s=csms.wall_s()
                )
            )
        except PkiInvalid as wrong:
            upkeep.note_refused_csr(identity, str(wrong))
            return
        upkeep.certificates["signed"] += 1
        if how == "properly" and not ask.for_vehicles:
            self._doorkeeper.note_name(identity, name)
        if record is not None:
            record.upkeep().certificates += 1
        try:
            csms.send(identity, ask.make(certificate_chain=chain), when_done=self._note)
        except Refused:
            upkeep.certificates["not_sent"] += 1

    def _note(self, outcome: Outcome) -> None:
        response, counts = outcome.response, self._csms.book.upkeep.certificates
        status = getattr(response, "status", None)
        if status is not None:
            counts["accepted" if status == "Accepted" else "rejected"] += 1
        else:
            counts["not_sent"] += 1


def signed_chain(
    authority: Authority, csr: str, *, names: tuple[str, ...], how: Sign, wall_s: float
) -> tuple[str, str]:
    """The chain that answers a request, spoilt as `how` says, and the name it is for.

    Raises `PkiInvalid` for a request that is not signed.
    """
    name = read_request(csr).common_name
    match how:
        case "garbage":
            return GARBAGE, name
        case "wrong-key":
            leaf = authority.issue_client(name, at_wall_s=wall_s).certificate_pem
        case "foreign-ca":
            authority = Authority.create("Foreign CA", at_wall_s=wall_s)
            leaf = authority.sign_request(csr, names=names, at_wall_s=wall_s)
        case "expired":
            leaf = authority.sign_request(csr, names=names, at_wall_s=wall_s, days=-1)
        case _:
            leaf = authority.sign_request(csr, names=names, at_wall_s=wall_s)
    return chain_of(leaf, authority.certificate_pem), name
