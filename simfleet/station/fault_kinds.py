"""The faults that a charger can be given on purpose: one struct per kind, told apart by `kind`.

REST bodies, scenario files and events carry these very structs, so a fault is written the same way
everywhere. `for_s` ends a fault by itself, `count` after it has acted so many times, `share` lets
it act only on a part of what it could act on (drawn from the charger's own chance). Without any of
them it lasts until it is removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import fields

from simfleet.ocpp.v16.messages import ChargePointErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.ocpp.catalog import Action, Catalog, Role

LASTS_MAX_S: Final = 7 * 86_400.0
COUNT_MAX: Final = 1_000_000
JUMP_MAX_WH: Final = 100_000_000
SKEW_MAX_S: Final = 10 * 366 * 86_400
ANSWER_DELAY_MAX_S: Final = 3600.0
ACTIONS_MAX: Final = 50
INFO_MAX: Final = 50
"""Characters of StatusNotification.info and vendorErrorCode (OCPP 1.6 section 6.47)."""

Seconds = Annotated[float, Meta(gt=0, le=LASTS_MAX_S, description="ends by itself after this")]
Count = Annotated[
    int, Meta(ge=1, le=COUNT_MAX, description="ends after it has acted so many times")
]
Share = Annotated[
    float, Meta(gt=0, le=1, description="the part of what it could act on that it acts on, 0 to 1")
]
ConnectorId = Annotated[int, Meta(ge=1, description="the connector, from 1")]
ActionNames = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...],
    Meta(max_length=ACTIONS_MAX, description="OCPP actions that it acts on; none: all it can"),
]
Words = Annotated[str, Meta(max_length=INFO_MAX)]


class _Fault(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """Base of the faults."""

    @property
    def kind(self) -> str:
        """What REST and scenarios call it."""
        return str(self.__struct_config__.tag)

    def limits(self) -> tuple[int | None, float | None, float | None]:
        """`count`, `share`, `for_s`; None for what is not given or does not apply."""
        return (
            getattr(self, "count", None),
            getattr(self, "share", None),
            getattr(self, "for_s", None),
        )


class ErrorCodeFault(_Fault, frozen=True, tag="error_code"):
    """The charger reports an error; with `stop_transaction` it ends the session there and is
    Faulted, without it the session goes on and only the code is told.
    """

    error_code: Annotated[ChargePointErrorCode, Meta(description="OCPP's ChargePointErrorCode")]
    connector_id: Annotated[int, Meta(ge=0, description="the connector; 0 is the station")] = 1
    info: Annotated[Words, Meta(description="`info` of the StatusNotification")] = ""
    vendor_error_code: Annotated[
        Words, Meta(description="`vendorErrorCode` of the StatusNotification")
    ] = ""
    stop_transaction: Annotated[bool, Meta(description="whether a running transaction ends")] = True
    for_s: Seconds | None = None


class FrozenMeter(_Fault, frozen=True, tag="frozen_meter"):
    """Register and power stand still while energy flows; afterwards the register is right again."""

    connector_id: ConnectorId = 1
    for_s: Seconds | None = None


class RegisterJump(_Fault, frozen=True, tag="register_jump"):
    """The energy register jumps, once and for good; never below 0."""

    wh: Annotated[
        float,
        Meta(ge=-JUMP_MAX_WH, le=JUMP_MAX_WH, description="watt-hours, forwards or backwards"),
    ]
    connector_id: ConnectorId = 1


class ClockSkew(_Fault, frozen=True, tag="clock_skew"):
    """The charger's clock is wrong, and the time that the CSMS tells does not repair it."""

    seconds: Annotated[
        float, Meta(ge=-SKEW_MAX_S, le=SKEW_MAX_S, description="seconds ahead; negative: behind")
    ]
    for_s: Seconds | None = None


class MissingStop(_Fault, frozen=True, tag="missing_stop"):
    """StopTransaction is never sent."""

    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class DuplicateStart(_Fault, frozen=True, tag="duplicate_start"):
    """StartTransaction is sent a second time after it was answered."""

    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class WrongTransactionId(_Fault, frozen=True, tag="wrong_transaction_id"):
    """MeterValues and StopTransaction carry the id of a transaction that never was."""

    messages: Annotated[
        Literal["all", "MeterValues", "StopTransaction"], Meta(description="which messages do")
    ] = "all"
    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class MalformedFrame(_Fault, frozen=True, tag="malformed_frame"):
    """CALLs are no OCPP-J frames. Whatever is said in them is sent again, as after any error."""

    form: Annotated[
        Literal["any", "not_json", "not_an_array", "wrong_type", "unknown_action"],
        Meta(description="what is wrong with them; any: drawn each time"),
    ] = "any"
    actions: ActionNames = ()
    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class SchemaInvalid(_Fault, frozen=True, tag="schema_invalid"):
    """The payloads of CALLs break the schema."""

    form: Annotated[
        Literal["any", "missing_field", "wrong_type", "too_long", "unknown_value"],
        Meta(
            description="what is wrong with them; any: drawn each time."
            " Where a message has nothing to be spoilt so, it is spoilt in another way"
        ),
    ] = "any"
    actions: ActionNames = ()
    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class UnansweredCall(_Fault, frozen=True, tag="unanswered_call"):
    """CALLs of the CSMS are not answered, and nothing is done about them."""

    actions: ActionNames = ()
    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class ResponseOverride(_Fault, frozen=True, tag="response_override"):
    """CALLs of the CSMS are answered otherwise: with a status or a CALLERROR, while nothing is done
    about them, or late.
    """

    actions: ActionNames = ()
    status: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=50,
                description="answered with this status, such as Rejected; nothing is done",
            ),
        ]
        | None
    ) = None
    error_code: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=50,
                description="answered with a CALLERROR of this code; nothing is done",
            ),
        ]
        | None
    ) = None
    delay_s: (
        Annotated[
            float,
            Meta(gt=0, le=ANSWER_DELAY_MAX_S, description="handled and answered so much later"),
        ]
        | None
    ) = None
    count: Count | None = None
    share: Share | None = None
    for_s: Seconds | None = None


class FirmwareFailure(_Fault, frozen=True, tag="firmware_failure"):
    """The next firmware update fails."""

    stage: Annotated[
        Literal[
            "DownloadFailed",
            "InstallationFailed",
            "InvalidSignature",
            "InvalidCertificate",
            "RevokedCertificate",
        ],
        Meta(description="how; the last three only if it is a signed one"),
    ] = "DownloadFailed"


class UploadFailure(_Fault, frozen=True, tag="upload_failure"):
    """The next upload of diagnostics or of a log fails."""


class ResetFailure(_Fault, frozen=True, tag="reset_failure"):
    """The hardware hangs: attempts to reset it fail. It tries again ResetRetries times, says
    ResetFailure then, and stays up.
    """

    count: Count | None = None
    for_s: Seconds | None = None


class LockFailure(_Fault, frozen=True, tag="lock_failure"):
    """The lock of a connector does not open when the CSMS tells it to (UnlockConnector)."""

    connector_id: ConnectorId = 1
    count: Count | None = None
    for_s: Seconds | None = None


Fault = (
    ErrorCodeFault
    | FrozenMeter
    | RegisterJump
    | ClockSkew
    | MissingStop
    | DuplicateStart
    | WrongTransactionId
    | MalformedFrame
    | SchemaInvalid
    | UnansweredCall
    | ResponseOverride
    | FirmwareFailure
    | UploadFailure
    | ResetFailure
    | LockFailure
)
FAULTS: Final[tuple[type[Fault], ...]] = get_args(Fault)
KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in FAULTS)
"""What REST and scenarios call them."""
FaultKind = Literal[
    "error_code",
    "frozen_meter",
    "register_jump",
    "clock_skew",
    "missing_stop",
    "duplicate_start",
    "wrong_transaction_id",
    "malformed_frame",
    "schema_invalid",
    "unanswered_call",
    "response_override",
    "firmware_failure",
    "upload_failure",
    "reset_failure",
    "lock_failure",
]


def problems(fault: Fault, *, connectors: int, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """What a station with so many connectors cannot do: the field, and what would be accepted."""
    match fault:
        case ErrorCodeFault(error_code="NoError"):
            yield "error_code", "NoError is no fault; remove the fault instead"
        case RegisterJump(wh=0):
            yield "wh", "0 is no jump; write watt-hours above or below 0"
        case ClockSkew(seconds=0):
            yield "seconds", "0 is no skew; write seconds above or below 0"
        case MalformedFrame(actions=actions) | SchemaInvalid(actions=actions):
            yield from _unknown(actions, "station", catalog)
        case UnansweredCall(actions=actions):
            yield from _unknown(actions, "csms", catalog)
        case ResponseOverride():
            yield from _override_problems(fault, catalog)
    connector_id = getattr(fault, "connector_id", None)
    if connector_id is not None and connector_id > connectors:
        having = "connector 1" if connectors == 1 else f"connectors 1 to {connectors}"
        yield "connector_id", f"{connector_id} is no connector here; there is {having}"


def _unknown(actions: tuple[str, ...], sender: Role, catalog: Catalog) -> Iterator[tuple[str, str]]:
    who = "a charger" if sender == "station" else "a CSMS"
    for name in actions:
        action = catalog.actions.get(name)
        if action is None or sender not in action.sent_by:
            known = ", ".join(n for n, a in catalog.actions.items() if sender in a.sent_by)
            yield "actions", f"{name!r} is not a CALL of {who} in {catalog.version}; known: {known}"


def _override_problems(fault: ResponseOverride, catalog: Catalog) -> Iterator[tuple[str, str]]:
    if fault.status is None and fault.error_code is None and fault.delay_s is None:
        yield "status", "nothing is overridden; write status, error_code or delay_s"
    if fault.status is not None and fault.error_code is not None:
        yield "status", "an answer has a status or an error_code, not both"
    if fault.error_code is not None and fault.error_code not in catalog.codes.known:
        known = ", ".join(sorted(catalog.codes.known))
        yield "error_code", f"{fault.error_code!r} is no CALLERROR code; known: {known}"
    wrong = list(_unknown(fault.actions, "csms", catalog))
    yield from wrong
    if fault.status is None or wrong:
        return
    if not fault.actions:
        yield "actions", "a status needs the actions whose answers have it"
    for name in fault.actions:
        statuses = statuses_of(catalog.actions[name])
        if not statuses:
            yield "status", f"the answer to {name} has no status; override error_code or delay_s"
        elif fault.status not in statuses:
            yield "status", f"{fault.status!r} is no status of {name}: {', '.join(statuses)}"


def statuses_of(action: Action) -> tuple[str, ...]:
    """What the answer to a CALL can have as its status; none where it has no such field, or where
    a status alone makes no answer.
    """
    if action.response is None:
        return ()
    needed = [field.name for field in fields(action.response) if field.required]
    if needed != ["status"]:
        return ()
    return tuple(get_args(get_type_hints(action.response)["status"]))
