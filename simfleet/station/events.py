"""What can happen to a charger from outside the wire: driver, operator, fault, scenario. Input of
`Station.tell`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.station.battery import Battery
from simfleet.station.contract import Contract
from simfleet.station.distributions import Distribution
from simfleet.station.energy_events import EnergyEvent
from simfleet.station.fault_kinds import Fault
from simfleet.station.messages import Limit
from simfleet.station.payment_messages import PaymentStatus
from simfleet.station.vehicle import VehicleSpec


class _Event(Struct, frozen=True, gc=False):
    """Base of the events."""


class PluggedIn(_Event, frozen=True):
    """A cable goes in. Without a vehicle, one of the model's is drawn; `soc` is 0..1."""

    connector_id: int = 1
    vehicle: VehicleSpec | None = None
    soc: float | None = None


class Unplugged(_Event, frozen=True):
    """The cable comes out."""

    connector_id: int = 1


class TokenPresented(_Event, frozen=True):
    """A tag is held to the reader: starts a session, or stops the one it started."""

    connector_id: int = 1
    id_tag: str | None = None


class StartRequested(_Event, frozen=True):
    """The driver plugs in, presents the tag, and wants `energy_wh` (None: until the vehicle is
    full).
    """

    connector_id: int = 1
    id_tag: str | None = None
    energy_wh: float | None = None


class DriverArrives(_Event, frozen=True):
    """A driver comes for one session: plugs in, presents the tag, charges `energy_wh`, and leaves.

    `seed` decides the vehicle and the times; `think_time_s` is how long each step takes (None: as
    long as with the station's own drivers). `due_s` is when the driver should have come: what is
    sent because of it counts from then. Told by effects `DriverMoved`.
    """

    connector_id: int
    energy_wh: float
    seed: int
    due_s: float
    think_time_s: Distribution | None = None


StopCause = Literal[
    "Local",
    "EmergencyStop",
    "EnergyLimitReached",
    "LocalOutOfCredit",
    "PowerQuality",
    "SOCLimitReached",
    "StoppedByEV",
    "TimeLimitReached",
]
"""What ends a session at the station; what 1.6 has no word for is Other there."""


class StopRequested(_Event, frozen=True):
    """The driver ends the session with the tag that began it, and unplugs when `unplug`; or it ends
    for another cause.
    """

    connector_id: int = 1
    unplug: bool = True
    cause: StopCause = "Local"


class EvPaused(_Event, frozen=True):
    """The vehicle stops drawing."""

    connector_id: int = 1


class EvResumed(_Event, frozen=True):
    """The vehicle draws again."""

    connector_id: int = 1


class Failed(_Event, frozen=True):
    """A fault, in OCPP's error codes. Connector 0 is the station itself."""

    connector_id: int = 1
    error_code: str = "InternalError"
    info: str = ""


class FaultCleared(_Event, frozen=True):
    """The fault is gone."""

    connector_id: int = 1


class LockFailed(_Event, frozen=True):
    """The connector lock does (not) open when told to."""

    connector_id: int = 1
    failed: bool = True


class ResetWillFail(_Event, frozen=True):
    """The next so many attempts to reset fail (ResetRetries); 0 takes it back."""

    times: int = 1


class TakeSample(_Event, frozen=True):
    """Send a MeterValues of the running transaction now, as if its interval had come."""

    connector_id: int = 1


class PowerLost(_Event, frozen=True):
    """The mains are gone: no farewell on the wire, transactions end, what hardware stores stays."""


class PowerRestored(_Event, frozen=True):
    """The mains are back; the station boots."""


FirmwareFailure = Literal[
    "",
    "DownloadFailed",
    "InstallationFailed",
    "InvalidSignature",
    "InvalidCertificate",
    "RevokedCertificate",
]
"""How a firmware update can be made to fail; the last three only if it is a signed one."""


class FirmwareWillFail(_Event, frozen=True):
    """The next firmware update fails at this stage; an empty one takes the failure back."""

    stage: FirmwareFailure


class UploadWillFail(_Event, frozen=True):
    """The next upload of diagnostics or of a log fails."""


class ErrandDone(_Event, frozen=True):
    """An errand of the station has ended (effects `Upload`, `Download`, `MakeCertificateRequest`).

    `kind` says what refused it when not `ok` (see `simfleet.transfer.failure.Kind`; "" else),
    `detail` the same for people. A download brings the file in `content`; a certificate request
    its PEM there and the private key's PEM in `more`.
    """

    errand: int
    ok: bool
    detail: str = ""
    content: bytes = b""
    more: bytes = b""
    kind: str = ""


class ContractGiven(_Event, frozen=True):
    """A vehicle has this contract (ISO 15118 Plug & Charge); from now on its tag
    (``eMAID:`` and the eMAID) is asked about with its certificates.
    """

    contract: Contract


class EvCertificateWanted(_Event, frozen=True):
    """The vehicle at a connector wants a contract certificate: its request in EXI, base64.

    `contracts_max` and `emaids` are for ISO 15118-20 (2.1): how many contracts it takes, and of
    which eMAIDs first.
    """

    exi_request: str
    connector_id: int = 1
    action: Literal["Install", "Update"] = "Install"
    schema_version: str = "urn:iso:15118:2:2013:MsgDef"
    contracts_max: int | None = None
    emaids: tuple[str, ...] = ()


class VehicleCertificateShown(_Event, frozen=True):
    """The vehicle at a connector has shown its own certificate (ISO 15118-20): the station has the
    CSMS say whether it is revoked (2.1). `chain_pem` is it with the intermediate ones behind it;
    empty: a pretend one for `name`.
    """

    connector_id: int = 1
    chain_pem: bytes = b""
    name: str = "vehicle"


class CardPresented(_Event, frozen=True):
    """A payment terminal has authorized a payment at a connector (2.1): its reference is the tag,
    of type DirectPayment.
    """

    psp_ref: str
    connector_id: int = 1
    brand: str | None = None
    recognition: str | None = None


class Settled(_Event, frozen=True):
    """The terminal has settled a payment, or could not, or has given it up (2.1). What is not
    Settled has no receipt.
    """

    psp_ref: str
    amount: float
    connector_id: int = 1
    status: PaymentStatus = "Settled"
    transaction_id: str | None = None
    info: str | None = None
    receipt_id: str | None = None
    receipt_url: str | None = None


class VatNumberTyped(_Event, frozen=True):
    """A driver has typed a VAT number for the receipt (2.1)."""

    vat_number: str
    connector_id: int = 1


class LimitChosen(_Event, frozen=True):
    """A driver has chosen at the station how much the transaction may come to (2.1)."""

    connector_id: int = 1
    limit: Limit = Limit()


class TariffRefused(_Event, frozen=True):
    """A driver does not accept what charging costs (2.1)."""

    connector_id: int = 1


class SwapWanted(_Event, frozen=True):
    """A driver presents a tag to swap batteries (2.1)."""

    id_tag: str | None = None


class BatteriesInserted(_Event, frozen=True):
    """Batteries go into the open slots of a swap station."""

    batteries: tuple[Battery, ...]


class BatteriesTaken(_Event, frozen=True):
    """The batteries that are offered are taken out."""


class FaultInjected(_Event, frozen=True):
    """From now on the charger does something wrong on purpose."""

    fault: Fault


class FaultRemoved(_Event, frozen=True):
    """It does no more; `kind` names what (see `fault_kinds.KINDS`), None everything. With `given`,
    only those very objects that were injected.
    """

    kind: str | None = None
    given: tuple[Fault, ...] = ()


class CallSpoilt(_Event, frozen=True):
    """A CALL of the charger, or its answer, was spoilt on its way on purpose: `call_id` is its
    message id. What is given up for such attempts alone is excused.
    """

    call_id: str


class FailuresExcused(_Event, frozen=True):
    """The CSMS behaves badly on purpose, or does so no more: CALLs that fail meanwhile are
    spoilt ones, see `CallSpoilt`.
    """

    on: bool


class Retired(_Event, frozen=True):
    """Bring this charger to rest: end sessions as their drivers would, start no new ones.

    `leaving`: for good, so there is no time for long pauses between the attempts to tell of them.
    """

    leaving: bool = False


Event = (
    PluggedIn
    | Unplugged
    | TokenPresented
    | StartRequested
    | DriverArrives
    | StopRequested
    | EvPaused
    | EvResumed
    | Failed
    | FaultCleared
    | LockFailed
    | ResetWillFail
    | TakeSample
    | PowerLost
    | PowerRestored
    | FirmwareWillFail
    | UploadWillFail
    | ErrandDone
    | ContractGiven
    | EvCertificateWanted
    | VehicleCertificateShown
    | CardPresented
    | Settled
    | VatNumberTyped
    | LimitChosen
    | TariffRefused
    | SwapWanted
    | BatteriesInserted
    | BatteriesTaken
    | FaultInjected
    | FaultRemoved
    | CallSpoilt
    | FailuresExcused
    | Retired
    | EnergyEvent
)
