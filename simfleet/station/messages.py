"""What a station has to say to its CSMS, in domain words; a dialect makes OCPP messages of them
when they are sent.

Made into a message only at that moment, so a transaction's id that came late is in everything
queued behind it. `wall_s` is the station's own clock (Unix seconds), stamped when the thing
happened.
"""

from __future__ import annotations

from msgspec import Struct

from simfleet.station.meter import Reading
from simfleet.station.phase import Phase
from simfleet.station.transaction import Transaction


class _Message(Struct, frozen=True, gc=False):
    """Base of the messages."""


class Boot(_Message, frozen=True):
    """I have started."""


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
    | MeterSampled
    | VendorData
    | FirmwareStatus
    | SignedFirmwareStatus
    | DiagnosticsStatus
    | LogStatus
    | SecurityNotice
    | CertificateWanted
)

DURABLE = (TransactionStarted, TransactionSampled, TransactionEnded)
"""Messages that survive a lost link and a reboot, in order (OCPP 1.6 section 3.7,
transaction-related messages).
"""

LASTING = (FirmwareStatus, SignedFirmwareStatus, DiagnosticsStatus, LogStatus)
"""Messages that wait for the next link when one is lost, a reboot between them or not: the CSMS
would take an update that has ended for one that hangs.
"""
