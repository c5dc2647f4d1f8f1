"""What a station has to say to its CSMS, in domain words; a dialect makes OCPP messages of them
when they are sent.

Made into a message only at that moment, so a transaction's id that came late is in everything
queued behind it. `wall_s` is the station's own clock (Unix seconds), stamped when the thing
happened.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from simfleet.station.bill import Bill
from simfleet.station.contract import CertificateName
from simfleet.station.display_message import DisplayMessage
from simfleet.station.energy_messages import EnergyMessage
from simfleet.station.meter import Reading
from simfleet.station.monitor import EventRecord, StreamParams
from simfleet.station.payment_messages import PaymentMessage, Settlement, SwapNotice
from simfleet.station.phase import Phase
from simfleet.station.reports import Report
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


class Measured(Struct, frozen=True, gc=False):
    """One reading, kept for later."""

    wall_s: float
    reading: Reading
    context: str
    measurands: tuple[str, ...]


class Limit(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a transaction may take at most (2.1 E16); None is no limit."""

    energy_wh: float | None = None
    time_s: int | None = None
    soc_percent: int | None = None
    cost: float | None = None


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one event of a transaction says. None, False or empty is what it does not say: nearly
    everything is told once, or when it has changed.
    """

    kind: Literal["Started", "Updated", "Ended"]
    trigger: str
    seq_no: int
    wall_s: float
    offline: bool = False
    state: str | None = None
    id_tag: str | None = None
    reading: Reading | None = None
    context: str = ""
    measurands: tuple[str, ...] = ()
    reason: str = ""
    """stoppedReason."""
    evse: bool = False
    """Where it is."""
    outlet: bool = False
    """And at which connector there."""
    remote_start_id: int | None = None
    reservation_id: int | None = None
    phases: int | None = None
    cable_a: int | None = None
    charging_s: int | None = None
    """Time spent charging so far."""
    limit: Limit | None = None
    earlier: tuple[Measured, ...] = ()
    """Readings kept for the Ended event."""
    plain: bool = False
    """A sample and nothing else: by far the most of them."""
    mode: str | None = None
    """The operation mode of bidirectional charging (2.1)."""
    bill: Bill | None = None
    """What it costs (2.1)."""
    tariff_id: str | None = None


class SessionEvent(Step, frozen=True, kw_only=True):
    """One step of a transaction of OCPP 2.x; see `visits.py`."""

    visit: Visit


class MeterSampled(_Message, frozen=True):
    """Meter values outside a transaction (clock-aligned or triggered)."""

    connector_id: int
    reading: Reading
    context: str
    measurands: tuple[str, ...]
    wall_s: float


class ReservationUpdate(_Message, frozen=True):
    """A reservation is over without having been used or cancelled."""

    id: int
    status: str


class VendorData(_Message, frozen=True):
    """DataTransfer of our own."""

    vendor_id: str
    message_id: str | None = None
    data: Any = None
    """Text in 1.6, in 2.x whatever JSON there is."""


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
    """Please have this certificate request signed (PEM); repeated by `certificates`. `use` is
    empty, or for what else than for the station itself (CertificateSigningUseEnumType);
    `request_id` names it to a CSMS of 2.1.
    """

    csr: str
    use: str = ""
    request_id: int = 0


class PublishStatus(_Message, frozen=True):
    """How the publishing of firmware is getting on, and where others get it from in the end."""

    status: str
    request_id: int | None
    locations: tuple[str, ...] = ()


class DisplayPage(_Message, frozen=True):
    """Some of the messages on the display that the CSMS has asked for; `more` follow."""

    request_id: int
    messages: tuple[DisplayMessage, ...]
    more: bool


class EvCertificateQuestion(_Message, frozen=True):
    """A vehicle wants a contract certificate (ISO 15118 CertificateInstallation or -Update)."""

    connector_id: int
    schema_version: str
    action: str
    exi_request: str
    contracts_max: int | None = None
    emaids: tuple[str, ...] = ()


class OcspQuestion(_Message, frozen=True):
    """Is this certificate of the station's V2G chain revoked?"""

    certificate: CertificateName


class ChainQuestion(_Message, frozen=True):
    """Is any certificate of a vehicle's chain revoked? (2.1)"""

    connector_id: int
    certificates: tuple[CertificateName, ...]


class InventoryPart(_Message, frozen=True):
    """Some variables of the device model."""

    report: Report
    start: int
    seq_no: int
    at_s: float


class MonitorPart(_Message, frozen=True):
    """Some of the monitors."""

    report: Report
    start: int
    seq_no: int
    at_s: float


class CustomerPart(_Message, frozen=True):
    """Some of what is known of a customer."""

    report: Report
    start: int
    seq_no: int
    at_s: float


class EventNotice(_Message, frozen=True):
    """Monitors have fired; `more` follows of the same moment."""

    events: tuple[EventRecord, ...]
    wall_s: float
    seq_no: int
    more: bool


class StreamOpened(_Message, frozen=True):
    """The values of a monitor will come as a stream (2.1)."""

    monitor_id: int
    params: StreamParams


class StreamClosed(_Message, frozen=True):
    """They will not any more."""

    monitor_id: int


class StreamData(_Message, frozen=True):
    """Moments (Unix seconds) and values of a stream; so many more are `pending`. A SEND, so it is
    never queued.
    """

    monitor_id: int
    values: tuple[tuple[float, str], ...]
    pending: int


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
    | ReservationUpdate
    | FirmwareStatus
    | SignedFirmwareStatus
    | DiagnosticsStatus
    | LogStatus
    | SecurityNotice
    | CertificateWanted
    | PublishStatus
    | DisplayPage
    | EvCertificateQuestion
    | OcspQuestion
    | ChainQuestion
    | InventoryPart
    | MonitorPart
    | CustomerPart
    | EventNotice
    | StreamOpened
    | StreamClosed
    | StreamData
    | EnergyMessage
    | PaymentMessage
)

DURABLE = (TransactionStarted, TransactionSampled, TransactionEnded, SessionEvent)
"""Messages that survive a lost link and a reboot, in order (OCPP 1.6 section 3.7,
transaction-related messages).
"""

LASTING = (
    FirmwareStatus,
    SignedFirmwareStatus,
    DiagnosticsStatus,
    LogStatus,
    PublishStatus,
    ReservationUpdate,
    EventNotice,
    Settlement,
    SwapNotice,
)
"""Messages that wait for the next link when one is lost, a reboot between them or not: the CSMS
would take an update that has ended for one that hangs.
"""

PARTS = (InventoryPart, MonitorPart, CustomerPart)
"""Parts of reports: after one that was refused the next is told all the same."""
