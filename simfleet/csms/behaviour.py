"""How the CSMS answers: well by default, and badly where it is told to. Plain data, no I/O.

The same seed gives the same chances to the same messages of a station, whatever the others do.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from simfleet.csms import misbehaviour
from simfleet.csms.misbehaviour import EVERY_ACTION, parse_action, parse_duration_s
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOT_INTERVAL_S: Final = 10
"""Pause before the next BootNotification of a station that was not accepted."""
HEARTBEAT_INTERVAL_S: Final = 300
DELAY_MAX_S: Final = 3600.0

Boot = Literal["accepted", "pending", "rejected"]
TagStatus = Literal[
    "Accepted",
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
]
"""The first five are those of 1.6, where NoCredit becomes Blocked and the rest Invalid."""
Sign = Literal["properly", "rejected", "never", "foreign-ca", "wrong-key", "expired", "garbage"]
Seconds = Annotated[float, Meta(ge=0, le=DELAY_MAX_S)]
Interval = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # whole seconds, as OCPP counts them


class Delay(Struct, frozen=True, forbid_unknown_fields=True):
    """How late an answer is, in seconds: evenly between the two, or fixed when they are equal."""

    low_s: Seconds
    high_s: Seconds

    def at(self, fraction: float) -> float:
        """The delay at `fraction` (0 to 1) of the way from low to high."""
        return self.low_s + (self.high_s - self.low_s) * fraction


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transactionLimit of 2.1: what a transaction may come to at most; None is no limit."""

    cost: Annotated[float, Meta(ge=0)] | None = None
    energy_wh: Annotated[float, Meta(ge=0)] | None = None
    time_s: Interval | None = None
    soc: Annotated[int, Meta(ge=0, le=100)] | None = None  # per cent


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the CSMS does; the defaults are those of a good one.

    Sets of actions may hold `*`, which means every action.
    """

    boot: Boot = "accepted"
    boots_refused: Annotated[int, Meta(ge=0)] | None = None
    """With `boot` pending or rejected: a station is accepted after this many; None is never."""
    boot_interval_s: Interval = BOOT_INTERVAL_S
    heartbeat_interval_s: Interval = HEARTBEAT_INTERVAL_S

    authorize_status: TagStatus = "Accepted"
    """For every tag that `tag_statuses` does not name."""
    tag_statuses: dict[str, TagStatus] = {}
    parent_tags: dict[str, str] = {}
    """The parentIdTag of a tag: tags with the same one may stop each other's transactions."""
    refuse_concurrent_tx: bool = False
    """Answer ConcurrentTx to a tag that already has an open transaction."""
    price_per_kwh: Annotated[float, Meta(ge=0)] | None = None
    """What energy costs: 2.x is told the running total cost. None is nothing told."""
    tariff_per_kwh: Annotated[float, Meta(ge=0)] | None = None
    """The tariff that goes with every tag that is accepted (2.1): what energy costs, without tax.
    None is none.
    """
    transaction_limit: Limits | None = None
    """Told at the start of each transaction (2.1)."""
    charging_needs: Literal["Accepted", "Rejected", "Processing"] = "Accepted"
    """To what a vehicle needs (2.x). Accepted ones get a TxProfile if a transaction runs."""
    contract_certificates: Literal["Accepted", "Failed"] = "Accepted"
    """To Get15118EVCertificate."""
    revocation: Literal["good", "revoked", "unknown", "failed"] = "good"
    """What is said of certificates that stations ask about."""
    known_vendors: frozenset[str] = frozenset({"SimFleet"})
    """DataTransfer of other vendors is answered UnknownVendorId."""

    delay: Delay | None = None
    action_delays: dict[str, Delay] = {}

    never_answer: frozenset[str] = frozenset()
    garbage: frozenset[str] = frozenset()
    wrong_id: frozenset[str] = frozenset()
    bad_schema: frozenset[str] = frozenset()
    call_errors: dict[str, str] = {}
    duplicate: frozenset[str] = frozenset()
    call_first: frozenset[str] = frozenset()
    drop: Annotated[float, Meta(ge=0, le=1)] = 0.0
    throttle: Annotated[int, Meta(ge=1)] | None = None
    """CALLs answered a second, one after the other, over all connections; None is no limit."""
    close_after: Annotated[int, Meta(ge=1)] | None = None
    """Messages of one connection after which it is cut."""
    stall_after_s: Annotated[float, Meta(ge=0)] | None = None
    stall_for_s: Annotated[float, Meta(ge=0)] | None = None
    """None is for ever, once `stall_after_s` has passed."""
    close_in_handshake: bool = False
    http_status: Annotated[int, Meta(ge=300, le=599)] | None = None
    no_subprotocol: bool = False
    sign: Sign = "properly"
    """What becomes of certificate signing requests, if there is an authority."""

    seed: int = 0

    @property
    def answers_plainly(self) -> bool:
        """Whether every CALL gets its answer at once and unspoilt."""
        return not (
            self.delay
            or self.action_delays
            or self.never_answer
            or self.garbage
            or self.wrong_id
            or self.bad_schema
            or self.call_errors
            or self.duplicate
            or self.call_first
            or self.drop
            or self.throttle
        )

    def tag_status(self, id_tag: str) -> TagStatus:
        """What is answered about a tag. One of 2.x that is no ISO14443 is written `TYPE:text`."""
        return self.tag_statuses.get(id_tag, self.authorize_status)

    def delay_of(self, action: str) -> Delay | None:
        """How late answers to `action` are; None is not at all."""
        return self.action_delays.get(action) or self.delay

    def error_code_of(self, action: str) -> str | None:
        """The code of the CALLERROR that `action` is answered with, None for a real answer."""
        return self.call_errors.get(action) or self.call_errors.get(EVERY_ACTION)


GOOD: Final = Behaviour()


def applies(actions: frozenset[str], action: str) -> bool:
    """Whether one of `Behaviour`'s sets of actions names `action`."""
    return action in actions or EVERY_ACTION in actions


def chance(seed: int, identity: str, n: int, purpose: str) -> float:
    """A number from 0 up to but not including 1, always the same for the same arguments."""
    digest = blake2b(f"{seed}:{identity}:{n}:{purpose}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / (1 << 56)


# ── as people write it ───────────────────────────────────────────────────────────────────────────


def behaviour_of(
    *,
    start: Behaviour = GOOD,
    boot: str | None = None,
    delays: Iterable[str] = (),
    tags: Iterable[str] = (),
    parents: Iterable[str] = (),
    limits: Iterable[str] = (),
    misbehave: Iterable[str] = (),
    **fields: object,
) -> Behaviour:
    """Put a behaviour together from what the command line takes, refining `start`.

    `boot` is `accepted`, or `pending` or `rejected` with `:N` for how many boots; `delays` are
    `[ACTION=]TIME[..TIME]`, `tags` are `TAG[=STATUS]`, `parents` are `TAG=PARENT`, `limits` are
    `cost=NUMBER`, `energy=NUMBERkWh`, `time=TIME` or `soc=PERCENT`, `misbehave` is `KIND[=VALUE]`.
    Other fields are taken as they are, None meaning not given.
    Raises `UsageWrong` naming what cannot be used.
    """
    try:
        changed: dict[str, object] = {k: v for k, v in fields.items() if v is not None}
        if boot is not None:
            changed["boot"], changed["boots_refused"] = _boot(boot)
        action_delays = dict(start.action_delays)
        for text in delays:
            action, delay = _delay(text)
            if action == EVERY_ACTION:
                changed["delay"] = delay
            else:
                action_delays[action] = delay
        changed["action_delays"] = action_delays
        changed["tag_statuses"] = start.tag_statuses | dict(map(_tag, tags))
        changed["parent_tags"] = start.parent_tags | dict(map(_parent, parents))
        told = dict(map(_limit, limits))
        if told:
            changed["transaction_limit"] = replace(start.transaction_limit or Limits(), **told)
        for text in misbehave:
            for field, value in misbehaviour.fields_of(text).items():
                before = changed.get(field, getattr(start, field))
                changed[field] = _joined(before, value)
        return _checked(replace(start, **changed))
    except (ValueError, TypeError) as error:
        raise UsageWrong(str(error)) from None


def _joined(before: object, more: object) -> object:
    """Both, where a field holds several actions; otherwise the later one."""
    if isinstance(before, frozenset) and isinstance(more, frozenset):
        return before | more
    if isinstance(before, dict) and isinstance(more, dict):
        return before | more
    return more


def _checked(behaviour: Behaviour) -> Behaviour:
    """The same behaviour; raises ValidationError for values the fields forbid."""
    return msgspec.convert(msgspec.to_builtins(behaviour), Behaviour)


def _boot(text: str) -> tuple[str, int | None]:
    status, colon, times = text.partition(":")
    if status not in ("accepted", "pending", "rejected") or (colon and not times.isdecimal()):
        raise ValueError(
            f"{text!r} is no answer to BootNotification; write accepted, pending, rejected, "
            "or pending:2 to accept after two"
        )
    return status, int(times) if colon else None


def _delay(text: str) -> tuple[str, Delay]:
    action, equals, times = text.rpartition("=")
    low, dots, high = times.partition("..")
    low_s = parse_duration_s(low.strip())
    delay = Delay(low_s, parse_duration_s(high.strip()) if dots else low_s)
    if not low_s <= delay.high_s <= DELAY_MAX_S:
        raise ValueError(f"{text!r} is no delay; write 50ms, 50ms..2s or MeterValues=1s, up to 1h")
    return (parse_action(action) if equals else EVERY_ACTION), delay


def _tag(text: str) -> tuple[str, TagStatus]:
    tag, equals, status = text.partition("=")
    if not tag:
        raise ValueError(f"{text!r} names no tag; write TAG or TAG=Blocked")
    wanted = status if equals else "Invalid"
    return tag, msgspec.convert(wanted, TagStatus)


def _parent(text: str) -> tuple[str, str]:
    tag, _, parent = text.partition("=")
    if not tag or not 0 < len(parent) <= 20:  # CiString20
        raise ValueError(f"{text!r} names no parent tag; write TAG=PARENT, up to 20 characters")
    return tag, parent


def _limit(text: str) -> tuple[str, float | int]:
    kind, _, value = text.partition("=")
    try:
        match kind:
            case "cost":
                return "cost", float(value)
            case "energy" if value.endswith("kWh"):
                return "energy_wh", 1000 * float(value.removesuffix("kWh"))
            case "time":
                return "time_s", round(parse_duration_s(value))
            case "soc":
                return "soc", int(value.removesuffix("%"))
    except ValueError:
        pass
    raise ValueError(
        f"{text!r} is no limit of a transaction; write cost=5.50, energy=20kWh, time=30m or soc=80"
    )
