"""What a station has to say to its CSMS, in domain words; a dialect makes OCPP messages of them
when they are sent.

Made into a message only at that moment, so a transaction's id that came late is in everything
queued behind it. `wall_s` is the station's own clock (Unix seconds), stamped when the thing
happened.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.station.meter import Reading
from simfleet.station.phase import Phase
from simfleet.station.transaction import Transaction
from simfleet.station.visit import Visit


class _Message(Struct, frozen=True, gc=False):
    """Base of the messages."""


class Boot(_Message, frozen=True):
    """I have started, or (`triggered`) the CSMS has asked to hear it again."""

    triggered: bool = False


class Beat(_Message, frozen=True):
    """I am alive; what time is it?"""


class StatusReport(_Message, frozen=True):
    """What a connector is doing (0: the station)."""

    connector_id: int
    phase: Phase
    error_code: str
    info: str
    wall_s: float


class TokenQuestion(_Message, frozen=True):
    """May this tag charge here? `purpose` says what happens on yes."""

    connector_id: int
    id_tag: str
    purpose: str


class TransactionStarted(_Message, frozen=True):
    """A transaction has begun."""

    transaction: Transaction


class TransactionSampled(_Message, frozen=True):
    """Meter values of a running transaction."""

    transaction: Transaction
    reading: Reading
    context: str
    measurands: tuple[str, ...]
    wall_s: float


class TransactionEnded(_Message, frozen=True):
    """A transaction is over."""

    transaction: Transaction


class SessionEvent(_Message, frozen=True, kw_only=True):
    """One step of a transaction of OCPP 2.x; see `visits.py`. `state` is None where it has not
    changed, `id_tag` where it was told already, `reading` where nothing is measured.
    """

    visit: Visit
    kind: Literal["Started", "Updated", "Ended"]
    trigger: str
    seq_no: int
    wall_s: float
    offline: bool
    state: str | None
    id_tag: str | None
    reading: Reading | None
    context: str
    measurands: tuple[str, ...]
    reason: str


class MeterSampled(_Message, frozen=True):
    """Meter values outside a transaction (clock-aligned or triggered)."""

    connector_id: int
    reading: Reading
    context: str
    measurands: tuple[str, ...]
    wall_s: float


class VendorData(_Message, frozen=True):
    """DataTransfer of our own."""

    vendor_id: str
    message_id: str | None = None
    text: str | None = None


class FirmwareStatus(_Message, frozen=True):
    """How a firmware update is getting on."""

    status: str


class SignedFirmwareStatus(_Message, frozen=True):
    """How a signed firmware update is getting on; `request_id` is that of its command."""

    status: str
    request_id: int | None


class DiagnosticsStatus(_Message, frozen=True):
    """How the upload of diagnostics is getting on."""

    status: str


class LogStatus(_Message, frozen=True):
    """How the upload of a log is getting on; `request_id` is that of its command."""

    status: str
    request_id: int | None


class SecurityNotice(_Message, frozen=True):
    """Something happened that touches security; kept and repeated by `security`."""

    type: str
    wall_s: float
    tech_info: str


class CertificateWanted(_Message, frozen=True):
    """Please have this certificate request signed (PEM); repeated by `certificates`."""

    csr: str


Message = (
    Boot
    | Beat
    | StatusReport
    | TokenQuestion
    | TransactionStarted
    | TransactionSampled
    | TransactionEnded
    | SessionEvent
    | MeterSampled
    | VendorData
    | FirmwareStatus
    | SignedFirmwareStatus
    | DiagnosticsStatus
    | LogStatus
    | SecurityNotice
    | CertificateWanted
)

DURABLE = (TransactionStarted, TransactionSampled, TransactionEnded, SessionEvent)
"""Messages that survive a lost link and a reboot, in order (OCPP 1.6 section 3.7,
transaction-related messages).
"""

LASTING = (FirmwareStatus, SignedFirmwareStatus, DiagnosticsStatus, LogStatus)
"""Messages that wait for the next link when one is lost, a reboot between them or not: the CSMS
would take an update that has ended for one that hangs.
"""
