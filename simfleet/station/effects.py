"""What a station asks of, or reports to, the shell that runs it. Output of `Station.take_effects`.

The end of each CALL is reported as the conversation's own `Outcome`, and each broken rule as its
`Violation`: the hot path makes no second object for them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.ocpp.results import Outcome, Violation


class _Effect(Struct, frozen=True, gc=False):
    """Base of the effects."""


class Registered(_Effect, frozen=True):
    """A BootNotification was answered."""

    status: Literal["Accepted", "Pending", "Rejected"]
    interval_s: float


class CommandHandled(_Effect, frozen=True):
    """A CALL of the CSMS was answered; `error_code` is None for a CALLRESULT. `result` is its
    status, if it has one.
    """

    action: str
    error_code: str | None
    result: str = ""


class TransactionOpened(_Effect, frozen=True):
    """A transaction began on the station; `number` counts the station's transactions from 1."""

    number: int
    connector_id: int


class TransactionDelivered(_Effect, frozen=True):
    """The CSMS answered the start or the stop of a transaction."""

    number: int
    what: Literal["start", "stop"]


class TransactionClosed(_Effect, frozen=True):
    """A transaction ended on the station.

    `energy_wh` is what the register says, `integral_wh` the integral of power found by another
    path: the ledger compares them. `exported_wh` is what the vehicle has given back (2.1), which is
    in neither of them.
    """

    number: int
    energy_wh: float
    integral_wh: float
    reason: str
    exported_wh: float = 0.0


class Dropped(_Effect, frozen=True):
    """Something that was to be sent was given up. `kind` is its OCPP action, `why` a few words."""

    kind: str
    why: Literal["queue_full", "attempts_used_up", "no_transaction_id", "link_lost", "reboot"]


class Reboot(_Effect, frozen=True):
    """Close the link, stay dark for `after_s`, then call `Station.restarted` and connect again."""

    after_s: float


class PowerOff(_Effect, frozen=True):
    """Cut the link without a word and stay dark until `PowerRestored` is told."""


class PowerOn(_Effect, frozen=True):
    """Leave the dark: call `Station.restarted` and connect."""


class Reconnect(_Effect, frozen=True):
    """Close the link and connect again at once (new credentials, new interval of pings)."""

    why: str


class Injected(_Effect, frozen=True):
    """A fault on purpose has acted, see `fault_kinds`: on a message of that action ("": on none).

    `frame` is what goes out because of it; empty where something does not go out, or nothing does.
    """

    kind: str
    action: str
    detail: str
    frame: bytes = b""


class Excused(_Effect, frozen=True):
    """A fault on purpose will show in the books: what nobody is to be accused of.

    `start_lost`, `stop_lost`: the CSMS will never hear of it; `stop_misnamed`: it was told of
    another transaction; `stray_stop`: it was told of one that never was; `told_apart`: it was told
    `energy_wh` more than was delivered; `jumped`: the register counted `energy_wh` more than was
    delivered; `register_down`: it saw a register go down. `number` is the transaction's.
    """

    what: Literal[
        "start_lost",
        "stop_lost",
        "stop_misnamed",
        "stray_stop",
        "told_apart",
        "jumped",
        "register_down",
    ]
    number: int
    energy_wh: float = 0.0


class DriverMoved(_Effect, frozen=True):
    """A driver who came from outside (`DriverArrives`) charges; has gone after charging; or has
    gone, or been sent away, without.
    """

    connector_id: int
    what: Literal["charging", "gone", "unserved"]


class Upload(_Effect, frozen=True):
    """Put a file where the URL says; `ErrandDone` follows. `errand` is the station's own number."""

    errand: int
    url: str
    file_name: str
    content: bytes


class Download(_Effect, frozen=True):
    """Get a file; `ErrandDone` with its content follows."""

    errand: int
    url: str


class MakeCertificateRequest(_Effect, frozen=True):
    """Make a key pair and a PKCS#10 request for it; `ErrandDone` with both follows."""

    errand: int
    common_name: str
    organization: str


class CancelErrand(_Effect, frozen=True):
    """Give an errand up; nothing follows, also when it has just ended."""

    errand: int


Effect = (
    Outcome
    | Violation
    | Registered
    | CommandHandled
    | TransactionOpened
    | TransactionDelivered
    | TransactionClosed
    | Dropped
    | Reboot
    | PowerOff
    | PowerOn
    | Reconnect
    | Injected
    | Excused
    | DriverMoved
    | Upload
    | Download
    | MakeCertificateRequest
    | CancelErrand
)
