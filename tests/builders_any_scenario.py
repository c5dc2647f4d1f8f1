"""Any scenario that the documents allow, as hypothesis draws it: few chargers, short stages.

What is drawn is the YAML text that a user would write, so that reading it is tested as well.
`Shape` keeps in mind what later parts have to fit to: versions, connectors, planned time.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml
from hypothesis import strategies as st

from simfleet.link.impairments import Duplicate, Latency, Refuse, Reset
from simfleet.load.live.actions import (
    ChangeMode,
    ChangeRate,
    ChangeTarget,
    ClearFaults,
    ClearNetwork,
    ExtendStage,
    ImpairNetwork,
    InjectFault,
    KillChargers,
    LiveAction,
    PauseRun,
    ResumeRun,
    SkipStage,
    StopRun,
)
from simfleet.station.fault_kinds import FrozenMeter, MissingStop, RegisterJump, SchemaInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

Draw = Any
V16, V201, V21 = "ocpp1.6", "ocpp2.0.1", "ocpp2.1"
SCENARIOS_PAGE: Final = Path(__file__).parents[1] / "docs" / "scenarios.md"
MODELS: Final = (
    *("norrvik/hem-11", "pelandra/easy-11", "pelandra/easy-7", "tavoltis/tria-50"),
    *("quellmark/stele-duo", "kestrel-grid/apex-400", "brixholm/curb-11", "lumeray/ray-150"),
)
SHARES: Final = st.sampled_from(["1%", "30%", "50%", "100%", 0.7])
PROBABILITIES: Final = st.sampled_from(["1%", "5%", "20%", "50%"])
CALLED_16: Final = (
    *("StatusNotification", "MeterValues", "StartTransaction", "StopTransaction"),
    *("Authorize", "BootNotification", "Heartbeat"),
)
CALLED_2X: Final = (
    *("StatusNotification", "TransactionEvent", "Authorize", "BootNotification", "Heartbeat"),
)
COMMANDS_ALL: Final = ("Reset", "TriggerMessage", "ClearCache", "UnlockConnector")
BOTH_CALLED: Final = ("StatusNotification", "Authorize", "BootNotification", "Heartbeat")


class Shape:
    """What of the scenario so far the rest has to fit to."""

    def __init__(self) -> None:
        self.slices: dict[str, str] = {}
        """Version by name."""
        self.counts: dict[str, int] = {}
        self.planned_s = 0.0
        """At least."""
        self.stages: list[str] = []
        self.mode = "charging"
        """What the chargers of the fleet do."""

    @property
    def chargers(self) -> int:
        return sum(self.counts.values())

    @property
    def versions(self) -> set[str]:
        return set(self.slices.values())


class Written(NamedTuple):
    """A scenario, and what is to happen to it while it runs."""

    text: str
    content: dict[str, Any]


def duration(low_s: float, high_s: float) -> st.SearchStrategy[str]:
    """A duration, as people write it."""

    def text(ms: int) -> str:
        if ms % 60_000 == 0 and ms:
            return f"{ms // 60_000}m"
        return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"

    steps = st.integers(int(low_s * 10), int(high_s * 10)).map(lambda tenths: text(tenths * 100))
    whole = st.integers(int(-(-low_s // 1)), max(int(-(-low_s // 1)), int(high_s)))
    return st.one_of(whole.map(lambda s: text(s * 1000)), steps)


def seconds_of(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(ms|s|m)", text)
    assert found is not None
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found[2]]


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def spread(low: float, high: float, write: Callable[[float], Any]) -> st.SearchStrategy[Any]:
    """A range or any distribution between these."""

    @st.composite
    def drawn(draw: Draw) -> Any:
        a, b = sorted(draw(st.tuples(*[st.integers(0, 20)] * 2)))
        least, most = (low + (high - low) * part / 20 for part in (a, b))
        middle = (least + most) / 2 or high / 20
        cut = {"min": write(low), "max": write(high)} if draw(st.booleans()) else {}
        bounds = cut or {"max": write(high)}
        kinds = {
            "constant": write(most),
            "uniform": {"min": write(least), "max": write(most)},
            "normal": {"mean": write(middle), "sd": write(max(high / 20, most - middle)), **bounds},
            "lognormal": {"median": write(middle), "sigma": 0.6, **bounds},
            "exponential": {"mean": write(middle), **bounds},
            "weibull": {"scale": write(middle), "shape": 1.5, **bounds},
            "choice": {write(most): "50%", f"{write(low)}..{write(high)}": 2},
        }
        kind = draw(st.sampled_from(["range", *kinds]))
        if kind == "range":
            return f"{write(least)}..{write(most)}"
        if kind == "choice" and most == least:
            kind = "constant"
        return {kind: kinds[kind]}

    return drawn()


def as_time(value: float) -> str:
    return f"{round(value * 1000)}ms"


def as_kwh(value: float) -> float:
    return round(value, 4)


@st.composite
def behaviours(draw: Draw) -> dict[str, Any]:
    return {
        name: value
        for name, value in {
            "think_time": draw(spread(0.0, 4.0, as_time)),
            "energy_kwh": draw(spread(0.001, 0.2, as_kwh)),
            "pause": draw(spread(0.0, 6.0, as_time)),
            "dwell": draw(st.none() | spread(0.0, 5.0, as_time)),
        }.items()
        if value is not None
    }


# ── what is wrong on purpose ─────────────────────────────────────────────────────────────────────


@st.composite
def to_some(draw: Draw, shape: Shape) -> dict[str, Any]:
    to: dict[str, Any] = {}
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(list(shape.slices)), min_size=1, unique=True))
        to["slice"] = names[0] if len(names) == 1 else names
    if draw(st.booleans()):
        to["share"] = draw(SHARES)
    return to


def _meant(to: dict[str, Any], shape: Shape) -> set[str]:
    names = to.get("slice", list(shape.slices))
    return {shape.slices[name] for name in ([names] if isinstance(names, str) else names)}


@st.composite
def limits(draw: Draw, *, share: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["for"] = draw(duration(0.1, 8))
    if share and draw(st.booleans()):
        found["count"] = draw(st.integers(1, 4))
    if share and draw(st.booleans()):
        found["share"] = draw(SHARES)
    return found


@st.composite
def faults(draw: Draw, shape: Shape) -> dict[str, Any]:
    to = draw(to_some(shape))
    old = _meant(to, shape) == {V16}
    new = V16 not in _meant(to, shape)
    called = CALLED_16 if old else CALLED_2X if new else BOTH_CALLED
    some_called = st.lists(st.sampled_from(called), min_size=1, max_size=3, unique=True)
    kind = draw(
        st.sampled_from(
            [
                *("error_code", "frozen_meter", "register_jump", "clock_skew", "missing_stop"),
                *("duplicate_start", "wrong_transaction_id", "malformed_frame", "schema_invalid"),
                *("unanswered_call", "response_override", "firmware_failure", "upload_failure"),
                *("reset_failure", "lock_failure"),
            ]
        )
    )
    fault: dict[str, Any] = {"kind": kind, "to": to} if to else {"kind": kind}
    match kind:
        case "error_code":
            fault["error_code"] = draw(st.sampled_from(["GroundFailure", "HighTemperature"]))
            fault["connector_id"] = draw(st.sampled_from([0, 1]))
            fault["stop_transaction"] = draw(st.booleans())
            fault |= draw(limits(share=False))
        case "frozen_meter":
            fault |= draw(limits(share=False))
        case "register_jump":
            fault["wh"] = draw(st.sampled_from([-5000, -3, 2, 700.5, 100000]))
        case "clock_skew":
            fault["seconds"] = draw(st.sampled_from([-90000, -30, 5, 7200]))
            fault |= draw(limits(share=False))
        case "malformed_frame":
            forms = ["any", "not_json", "not_an_array", "wrong_type", "unknown_action"]
            fault["form"] = draw(st.sampled_from(forms))
            fault |= draw(limits())
        case "schema_invalid":
            forms = ["any", "missing_field", "wrong_type", "too_long", "unknown_value"]
            fault["form"] = draw(st.sampled_from(forms))
            fault |= draw(limits())
        case "wrong_transaction_id":
            words = ["all", "MeterValues", "StopTransaction"]
            fault["messages"] = draw(st.sampled_from(words))
            fault |= draw(limits())
        case "response_override":
            how = draw(st.sampled_from(["status", "error_code", "delay"]))
            if how == "status":
                fault |= {"status": "Rejected", "actions": ["Reset", "ClearCache"]}
            elif how == "error_code":
                fault["error_code"] = "InternalError"
            else:
                fault["delay"] = draw(duration(0.1, 40))
            fault |= draw(limits())
        case "unanswered_call":
            if draw(st.booleans()):
                fault["actions"] = draw(st.sampled_from(COMMANDS_ALL))
            fault |= draw(limits())
        case "missing_stop" | "duplicate_start":
            fault |= draw(limits())
        case _:
            pass
    if kind in ("malformed_frame", "schema_invalid") and draw(st.booleans()):
        fault["actions"] = draw(some_called)
    return fault


@st.composite
def impairments(draw: Draw) -> dict[str, Any]:
    """Without `to` or `share`."""
    kind = draw(
        st.sampled_from(
            ["latency", "slow", "stall", "reset", "half_open", "duplicate", "corrupt", "refuse"]
        )
    )
    found: dict[str, Any] = {"kind": kind}
    by_messages = True
    match kind:
        case "latency":
            found["delay"] = draw(duration(0.1, 8))
            if draw(st.booleans()):
                found["jitter"] = draw(duration(0, 8))
        case "slow":
            found["bytes_per_s"] = draw(st.sampled_from([20, 100, 1000, 100_000]))
        case "stall" | "reset" | "half_open":
            if kind == "stall":
                found["for"] = draw(duration(0.1, 45))
            by_messages = draw(st.booleans())
            if by_messages:
                found["probability"] = draw(PROBABILITIES)
            else:
                found["every"] = draw(duration(0.5, 20))
        case _:
            if draw(st.booleans()):
                found["probability"] = draw(PROBABILITIES)
    if kind == "corrupt":
        found["form"] = draw(st.sampled_from(["not_json", "wrong_id"]))
    if kind not in ("latency", "slow") and draw(st.booleans()):
        found["count"] = draw(st.integers(1, 5))
    if draw(st.booleans()):
        found["direction"] = draw(st.sampled_from(["both", "to_csms", "from_csms"]))
    if by_messages and kind != "refuse" and draw(st.integers(0, 3)) == 0:
        found["actions"] = draw(
            st.lists(st.sampled_from((*CALLED_16, "TransactionEvent")), min_size=1, unique=True)
        )
    return found


@st.composite
def misbehaviours(draw: Draw) -> dict[str, Any]:
    """`csms` of a stage."""
    actions = st.sampled_from(
        [
            "",
            "=Heartbeat",
            "=Authorize",
            "=StartTransaction,StopTransaction",
            "=BootNotification",
            "=TransactionEvent",
            "=MeterValues",
        ]
    )
    kinds = [
        *(f"{kind}{draw(actions)}" for kind in (
            "never-answer", "garbage", "wrong-id", "bad-schema", "call-error", "duplicate",
            "call-first",
        )),
        *("drop=0.1", "drop=0.5", "throttle=2", "throttle=20", "close-after=5", "close-after=40"),
        *("close-handshake", "http-status=503"),
    ]  # fmt: skip
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["misbehave"] = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=2))
    if draw(st.booleans()):
        delays = ["500ms", "100ms..3s", "Authorize=2s", "40s"]
        found["delay"] = draw(st.sampled_from(delays))
    if draw(st.integers(0, 3)) == 0:
        found["boot"] = draw(st.sampled_from(["accepted", "pending", "rejected", "pending:1"]))
    if not found or draw(st.integers(0, 3)) == 0:
        found["freeze"] = draw(duration(0.1, 40))
    return found


# ── the parts of a scenario ──────────────────────────────────────────────────────────────────────


@st.composite
def slices(draw: Draw, shape: Shape, *, trouble: bool) -> dict[str, Any]:
    name = f"s{len(shape.slices)}"
    version = draw(st.sampled_from([V16, V16, V201, V21]))
    count = draw(st.integers(0, 4))
    configuration: dict[str, Any] = {
        "MeterValueSampleInterval": draw(st.sampled_from([1, 2, 10])),
        "HeartbeatInterval": draw(st.sampled_from([2, 30, 300])),
    }
    found: dict[str, Any] = {
        "name": name,
        "count": count,
        "id": f"{name.upper()}-{{n:02}}",
        "version": version,
        "transfers": "simulated",
        "configuration": configuration,
    }
    if draw(st.integers(0, 2)) == 0:
        found["model"] = draw(st.sampled_from(MODELS))
    else:
        found["type"] = draw(st.sampled_from(["AC", "DC"]))
        found["max_power_kw"] = draw(st.sampled_from([3.7, 22, 150]))
        found["connectors"] = draw(st.sampled_from([1, 1, 2, 3]))
        if draw(st.booleans()):
            configuration["WebSocketPingInterval"] = draw(st.sampled_from([0, 5, 20]))
        if version == V16:
            if draw(st.booleans()):
                configuration["TransactionMessageAttempts"] = draw(st.integers(1, 4))
            if draw(st.booleans()):
                configuration["TransactionMessageRetryInterval"] = draw(st.integers(0, 10))
            for key in (
                *("StopTransactionOnEVSideDisconnect", "StopTransactionOnInvalidId"),
                *("AllowOfflineTxForUnknownId", "LocalAuthorizeOffline"),
            ):
                if draw(st.integers(0, 3)) == 0:
                    configuration[key] = draw(st.booleans())
            if draw(st.booleans()):
                configuration["ClockAlignedDataInterval"] = draw(st.sampled_from([0, 5]))
    if draw(st.booleans()):
        found["reboot_time"] = draw(duration(0, 6))
    if draw(st.booleans()):
        found["install_time"] = draw(duration(0, 6))
    if draw(st.integers(0, 3)) == 0:
        found["security_profile"] = draw(st.sampled_from([1, 2]))
    if draw(st.booleans()):
        found["behaviour"] = draw(behaviours())
    tags = draw(st.integers(0, 4))
    if tags == 1:
        found["id_tags"] = ["A1", "B2"]
    elif tags == 2:
        found["id_tags"] = "TAG-{n:04}"
    elif tags == 3:
        found["id_tags"] = {"pattern": "T-{n}", "count": 3}
    if draw(st.booleans()):
        found["labels"] = {"region": draw(st.sampled_from(["north", "süd"]))}
    if trouble and draw(st.integers(0, 3)) == 0:
        network = draw(st.lists(impairments(), min_size=1, max_size=2))
        found["network"] = [{**one, "share": draw(SHARES)} for one in network]
    shape.slices[name] = version
    shape.counts[name] = count
    return found


MODES: Final = st.sampled_from(["charging", "charging", "charging", "connect", "idle"])


@st.composite
def stages(draw: Draw, shape: Shape, *, trouble: bool, cases: bool) -> dict[str, Any]:
    some = st.integers(0, shape.chargers)
    kinds = [
        *("ramp", "ramp", "hold", "step", "stairs", "spike", "soak"),
        *("boot_storm", "reconnect_storm", "blackout", "rolling_restart", "firmware_wave", "stop"),
    ]
    if shape.mode == "connect":
        kinds += ["sessions"] * 5
    if cases:
        kinds += ["cases", "cases"]
    if shape.chargers and "capacity" not in shape.stages:
        kinds.append("capacity")
    do = draw(st.sampled_from(kinds))
    stage: dict[str, Any] = {"do": do}
    least_s = 0.0

    def lasting(key: str, low_s: float, high_s: float) -> None:
        nonlocal least_s
        stage[key] = draw(duration(low_s, high_s))
        least_s += seconds_of(stage[key])

    def maybe(key: str, values: st.SearchStrategy[Any]) -> None:
        if draw(st.booleans()):
            stage[key] = draw(values)

    match do:
        case "ramp":
            stage["to"] = draw(some)
            lasting("over", 0, 5)
            maybe("mode", MODES)
        case "hold":
            lasting("for", 0, 25)
        case "stop":
            lasting("over", 0, 3)
        case "step":
            stage["to"] = draw(some)
            maybe("mode", MODES)
        case "stairs" if shape.chargers:
            stage |= {"to": draw(some), "by": draw(st.integers(1, shape.chargers))}
            maybe("from", some)
            stage["every"] = draw(duration(0.1, 4))
            maybe("mode", MODES)
        case "spike":
            stage["to"] = draw(some)
            maybe("over", duration(0, 3))
            lasting("for", 0, 8)
            maybe("mode", MODES)
        case "soak":
            lasting("for", 1, 25)
        case "sessions":
            rates = st.sampled_from(["0/s", "0.2/s", "1/s", "60/min", "720/h", "5/s"])
            stage["rate"] = draw(rates)
            lasting("for", 0, 15)
            maybe("arrivals", st.sampled_from(["constant", "poisson"]))
            how = draw(st.integers(0, 2))
            if how == 1:
                stage["curve"] = {"00:00": "10%", "06:00": "100%", "20:30": "0%"}
            elif how == 2:
                stage["to"] = draw(rates)
            maybe("energy_kwh", spread(0.001, 0.1, as_kwh))
            maybe("think_time", spread(0.0, 3.0, as_time))
            maybe("queue", st.integers(0, 3))
            if stage.get("arrivals") != "poisson":
                maybe("first", st.sampled_from(["random", "at_once"]))
        case "boot_storm" | "reconnect_storm":
            maybe("share", SHARES)
            maybe("over", duration(0, 4))
            lasting("for", 1, 20)
            if do == "reconnect_storm":
                maybe("backoff", st.sampled_from(["own", "none"]))
        case "blackout":
            maybe("share", SHARES)
            lasting("for", 0.1, 10)
            stage["within"] = draw(duration(1, 40))
        case "rolling_restart" | "firmware_wave":
            stage |= {"batch": draw(st.sampled_from(["30%", "50%", "100%", 0.7]))}
            stage["every"] = draw(duration(0.1, 8))
            stage["within"] = draw(duration(1, 60))
            if do == "rolling_restart":
                maybe("what", st.sampled_from(["links", "chargers"]))
            else:
                maybe("location", st.sampled_from(["http://files.invalid/fw-2.0.1.bin"]))
        case "cases":
            stage["within"] = draw(duration(1, 90))
            maybe("parallel", st.integers(1, 3))
        case "capacity":
            _capacity(draw, stage, shape)
        case _:
            stage = {"do": "hold", "for": "1s"}
            least_s = 1.0
    if draw(st.booleans()):
        stage["name"] = f"stage{len(shape.stages)}"
    if trouble:
        if draw(st.integers(0, 2)) == 0:
            stage["faults"] = draw(st.lists(faults(shape), min_size=1, max_size=3))
        if draw(st.integers(0, 3)) == 0:
            network = draw(st.lists(impairments(), min_size=1, max_size=2))
            tos = [draw(to_some(shape)) for _ in network]
            stage["network"] = [
                {**one, "to": to} if to else one for one, to in zip(network, tos, strict=True)
            ]
        if draw(st.integers(0, 3)) == 0:
            stage["csms"] = draw(misbehaviours())
    if stage["do"] in ("ramp", "step", "stairs", "capacity"):
        shape.mode = stage.get("mode", "charging")
    shape.planned_s += least_s
    shape.stages.append(stage["do"])
    return stage


def _capacity(draw: Draw, stage: dict[str, Any], shape: Shape) -> None:
    of = draw(st.sampled_from(["chargers", "rate"])) if shape.mode == "connect" else "chargers"
    stage["of"] = of
    if of == "chargers":
        top = draw(st.integers(1, shape.chargers))
        stage |= {"from": draw(st.integers(1, top)), "to": top}
        stage["by"] = draw(st.integers(1, shape.chargers))
    else:
        stage |= {"from": "0.2/s", "to": draw(st.sampled_from(["1/s", "2/s"])), "by": "0.5/s"}
    until = {
        "call.response.p99": draw(st.sampled_from(["< 500ms", "< 10s"])),
        "call.error_ratio": "< 1%",
        "transactions.started": draw(st.sampled_from(["< 2", "< 100"])),
    }
    names = draw(st.lists(st.sampled_from(list(until)), min_size=1, unique=True))
    stage["until"] = {name: until[name] for name in names}
    stage["settle"] = draw(duration(0, 3))
    stage["hold"] = draw(duration(1, 5))
    stage["confirm"] = draw(st.integers(0, 1))
    if of == "chargers" and draw(st.booleans()):
        stage["mode"] = draw(MODES)
    if of == "rate":
        stage["mode"] = "connect"


TX_PROFILE_16: Final = {
    "connectorId": 1,
    "csChargingProfiles": {
        "chargingProfileId": 1,
        "transactionId": "$transaction_id",
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2000}],
        },
    },
}
COMMANDS_16: Final[list[dict[str, Any]]] = [
    {"send": "ClearCache"},
    {"send": "Reset", "payload": {"type": "Soft"}},
    {"send": "Reset", "payload": {"type": "Hard"}},
    {"send": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"},
     "converged": {"when": {"message": "Heartbeat"}, "within": "5s"}},
    {"send": "TriggerMessage", "payload": {"requestedMessage": "MeterValues", "connectorId": 1}},
    {"send": "RemoteStartTransaction", "payload": {"connectorId": 1, "idTag": "CAFE0001"}},
    {"send": "RemoteStopTransaction", "payload": {"transactionId": "$transaction_id"}},
    {"send": "SetChargingProfile", "payload": TX_PROFILE_16,
     "converged": {"when": {"power_below_kw": 11}}},
    {"send": "ChangeAvailability", "payload": {"connectorId": 0, "type": "Inoperative"},
     "converged": {"within": "10s"}},
    {"send": "ChangeAvailability", "payload": {"connectorId": 0, "type": "Operative"}},
    {"send": "UnlockConnector", "payload": {"connectorId": 1}},
    {"send": "GetConfiguration", "payload": {}},
    {"send": "ChangeConfiguration",
     "payload": {"key": "MeterValueSampleInterval", "value": "3"}},
    {"send": "UpdateFirmware",
     "payload": {"location": "http://x.invalid/fw-3.1.bin", "retrieveDate": "$now"}},
    {"send": "GetDiagnostics", "payload": {"location": "http://x.invalid/up/"}},
    {"send": "ReserveNow", "payload": {"connectorId": 1, "expiryDate": "$now+1m",
                                       "idTag": "A1", "reservationId": 7}},
    {"send": "CancelReservation", "payload": {"reservationId": 7}},
    {"send": "SendLocalList", "payload": {"listVersion": 1, "updateType": "Full"}},
    {"send": "DataTransfer", "payload": {"vendorId": "SimFleet", "data": "$identity $n"}},
]  # fmt: skip
COMMANDS_2X: Final[list[dict[str, Any]]] = [
    {"send": "ClearCache"},
    {"send": "Reset", "payload": {"type": "Immediate"}},
    {"send": "Reset", "payload": {"type": "OnIdle"}},
    {"send": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"},
     "converged": {"when": {"message": "Heartbeat"}, "within": "5s"}},
    {"send": "TriggerMessage", "payload": {"requestedMessage": "MeterValues", "evse": {"id": 1}}},
    {"send": "RequestStartTransaction",
     "payload": {"evseId": 1, "remoteStartId": 5,
                 "idToken": {"idToken": "CAFE0001", "type": "Central"}}},
    {"send": "RequestStopTransaction", "payload": {"transactionId": "$transaction_id"}},
    {"send": "ChangeAvailability", "payload": {"operationalStatus": "Inoperative"},
     "converged": {"within": "10s"}},
    {"send": "ChangeAvailability", "payload": {"operationalStatus": "Operative"}},
    {"send": "UnlockConnector", "payload": {"evseId": 1, "connectorId": 1}},
    {"send": "GetBaseReport", "payload": {"requestId": 1, "reportBase": "ConfigurationInventory"}},
    {"send": "UpdateFirmware",
     "payload": {"requestId": 4, "firmware": {"location": "http://x.invalid/fw-3.1.bin",
                                              "retrieveDateTime": "$now"}}},
    {"send": "GetLog",
     "payload": {"logType": "DiagnosticsLog", "requestId": 6,
                 "log": {"remoteLocation": "http://x.invalid/up/"}}},
    {"send": "ReserveNow",
     "payload": {"id": 3, "expiryDateTime": "$now+1m",
                 "idToken": {"idToken": "A1", "type": "Central"}}},
    {"send": "GetTransactionStatus", "payload": {"transactionId": "$transaction_id"}},
]  # fmt: skip


@st.composite
def commands(draw: Draw, shape: Shape) -> dict[str, Any]:
    name = draw(st.sampled_from(list(shape.slices)))
    version = shape.slices[name]
    known = COMMANDS_16 if version == V16 else COMMANDS_2X
    command = dict(draw(st.sampled_from(known)))
    latest = int(shape.planned_s * 10)
    command["at"] = f"{draw(st.integers(0, latest)) * 100}ms"
    command["to"] = {"version": version} if draw(st.booleans()) else {"slice": name}
    if draw(st.booleans()):
        command["to"]["share"] = draw(SHARES)
    if draw(st.booleans()):
        command["expect"] = draw(st.sampled_from(["any", "timeout", "InternalError"]))
    if draw(st.integers(0, 3)) == 0:
        command["every"] = draw(duration(1, 8))
    if draw(st.integers(0, 3)) == 0:
        command["converged"] = "none"
    return command


STEPS: Final[list[Any]] = [
    "plug", "unplug", "swipe", "start", {"start": {"energy_kwh": 0.05}}, "stop",
    {"stop": {"unplug": True}}, {"stop": {"reason": "EmergencyStop"}}, {"wait": "2s"},
    {"wait": "500ms"}, {"set": {"vehicle": "suspended"}}, {"set": {"vehicle": "charging"}},
    {"fault": {"kind": "frozen_meter"}}, {"fault": {"kind": "missing_stop"}}, "clear",
    {"power_cycle": {"off_for": "1s"}}, {"disconnect": {"for": "2s"}}, "reconnect",
    {"csms": {"send": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"}}},
    {"csms": {"send": "ClearCache", "expect": "any"}},
    {"expect": {"sent": "StatusNotification"}}, {"expect": {"sent": "Heartbeat", "not": True,
                                                            "within": "1s"}},
    {"until": {"transaction": "started", "within": "5s"}}, {"until": {"transaction": "stopped"}},
    {"assert": {"online": True}}, {"assert": {"queued": 0}},
    {"repeat": {"times": 2, "steps": ["start", {"wait": "1s"}, {"stop": {"unplug": True}}]}},
    {"repeat": {"times": 2, "steps": ["start", {"stop": {"unplug": True}}]}},
]  # fmt: skip


@st.composite
def a_case(draw: Draw, shape: Shape, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": f"case{number}"}
    having = [name for name, count in shape.counts.items() if count]
    if having and draw(st.booleans()):
        found["to"] = {"slice": draw(st.sampled_from(having))}
    else:
        found["each"] = draw(to_some(shape)) or {"share": "100%"}
    found["steps"] = draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=8))
    return found


# ── thresholds, of every metric that the page has ────────────────────────────────────────────────


def metrics() -> list[tuple[str, str]]:
    """Every metric in the reference, with its kind."""
    page = SCENARIOS_PAGE.read_text(encoding="utf-8")
    table = page[page.index("### Metrics") :]
    found = []
    for line in table.splitlines():
        row = re.match(r"\| (`[^|]+`) \| (\w+) \| ", line)
        if row is not None:
            found += [(name, row[2]) for name in re.findall(r"`([^`]+)`", row[1])]
    assert len(found) > 100
    return found


METRICS: Final = metrics()
LIMITS: Final = {
    "ratio": [">= 0", "<= 1", "< 0.5", ">= 99%"],
    "duration": [">= 0ms", "< 1s", "> 1m"],
    "count": [">= 0", "== 0", "> 3"],
    "rate": [">= 0", "> 100/s"],
    "energy": [">= 0", "> 12.5"],
    "number": [">= 0", "> 3"],
}
OF_BOTH: Final = ("call", "transactions.", "throughput.calls_per_s")
OF_STAGE: Final = (
    *("boot.accepted", "boot.pending", "boot.rejected", "connect.attempts", "connect.failures"),
    *("messages.dropped", "schema.violations", "throughput.frames_per_s"),
)


@st.composite
def thresholds(draw: Draw, shape: Shape, content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    storms = [name for name in shape.stages if name in STORMS]
    for name, kind in draw(st.lists(st.sampled_from(METRICS), max_size=6)):
        head = name.split(".")[0]
        if head in ("capacity", "cases", "soak") and head not in shape.stages:
            continue
        if name.startswith("command") and "commands" not in content:
            continue
        if name.startswith("storm") and not storms:
            continue
        of_drivers = name.startswith("sessions.") and kind != "energy" and name != "sessions.lost"
        if of_drivers and "sessions" not in shape.stages:
            continue
        if name.startswith("uploads"):
            continue
        metric = name.replace(
            "[Action]", "[Reset]" if name.startswith("command") else "[Authorize]"
        )
        if name.startswith("command["):
            sent = [command["send"] for command in content["commands"]]
            metric = name.replace("Action", draw(st.sampled_from(sent)))
        head, dot, rest = metric.partition(".")
        selectors = []
        of_stage = name.startswith(OF_BOTH) or name in OF_STAGE or head == "connections"
        if of_stage and draw(st.booleans()):
            number = draw(st.integers(0, len(shape.stages) - 1))
            stage = content["stages"][number]
            selectors.append(f"stage={stage.get('name', number)}")
        if name.startswith(OF_BOTH) and draw(st.booleans()):
            selectors.append(f"slice={draw(st.sampled_from(list(shape.slices)))}")
        if selectors:
            metric = f"{head}{{{','.join(selectors)}}}{dot}{rest}"
        limit: Any = draw(st.sampled_from(LIMITS[kind]))
        if draw(st.integers(0, 4)) == 0:
            limit = {"limit": limit, "abort_on_fail": draw(st.booleans())}
            if limit["abort_on_fail"] and draw(st.booleans()):
                limit["delay"] = draw(duration(0, 10))
        found[metric] = limit
    return found


STORMS: Final = (
    *("boot_storm", "reconnect_storm", "blackout", "rolling_restart", "firmware_wave"),
)


@st.composite
def scenarios(draw: Draw, *, trouble: bool = True) -> Written:
    """A scenario. Without `trouble` nobody is at fault on purpose."""
    shape = Shape()
    parts = [draw(slices(shape, trouble=trouble)) for _ in range(draw(st.integers(1, 3)))]
    content: dict[str, Any] = {
        "schema": 1,
        "name": "any",
        "seed": draw(st.integers(0, 99)),
        "fleet": parts,
        "behaviour": draw(behaviours()),
    }
    cases = draw(st.integers(0, 3)) == 0
    first: dict[str, Any] = {"do": "step", "to": shape.chargers, "mode": draw(MODES)}
    shape.mode = first["mode"]
    shape.stages.append("step")
    content["stages"] = [first]
    for _ in range(draw(st.integers(1, 4))):
        content["stages"].append(draw(stages(shape, trouble=trouble, cases=cases)))
    if "cases" in shape.stages:
        content["cases"] = [draw(a_case(shape, n)) for n in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        content["commands"] = draw(st.lists(commands(shape), min_size=1, max_size=4))
    if shape.planned_s > 2 and draw(st.integers(0, 3)) == 0:
        content["warm_up"] = f"{draw(st.integers(1, int(shape.planned_s) - 1))}s"
    if draw(st.integers(0, 3)) == 0:
        content["start_at"] = draw(st.sampled_from(["05:58", "23:59"]))
    content["thresholds"] = draw(thresholds(shape, content))
    return Written(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), content)


# ── what people do while it runs ─────────────────────────────────────────────────────────────────


@st.composite
def live_actions(draw: Draw) -> tuple[float, LiveAction]:
    """An action, and when, in seconds from the beginning of the load."""
    share = draw(st.sampled_from([0.1, 0.5, 1.0]))
    made = draw(
        st.one_of(
            st.just(PauseRun()),
            st.just(ResumeRun()),
            st.builds(
                ChangeTarget,
                to=st.integers(0, 13),
                over_s=st.none() | st.floats(0, 5),
                mode=st.sampled_from([None, "idle", "connect", "charging"]),
            ),
            st.builds(ChangeRate, per_s=st.sampled_from([0.0, 0.5, 3.0])),
            st.builds(ChangeMode, mode=st.sampled_from(["idle", "connect", "charging"])),
            st.builds(
                KillChargers,
                share=st.just(share),
                how=st.sampled_from(["link", "power"]),
                for_s=st.none() | st.floats(0, 10),
            ),
            st.builds(
                InjectFault,
                fault=st.sampled_from(
                    [
                        FrozenMeter(),
                        MissingStop(count=1),
                        SchemaInvalid(share=0.2),
                        RegisterJump(wh=9),
                    ]
                ),
                share=st.just(share),
            ),
            st.builds(ClearFaults),
            st.builds(
                ImpairNetwork,
                impairment=st.sampled_from(
                    [Latency(delay_s=1.0), Reset(every_s=4.0), Duplicate(probability=0.3), Refuse()]
                ),
                share=st.just(share),
            ),
            st.builds(ClearNetwork),
            st.builds(ExtendStage, by_s=st.sampled_from([-5.0, 0.0, 4.0])),
            st.builds(SkipStage),
            st.builds(StopRun, now=st.booleans()),
        )
    )
    return draw(st.integers(0, 600)) / 10, made
