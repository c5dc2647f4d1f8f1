"""Scenario schema 1: every field that a scenario file may have, and what it is in memory.

Field names are an interface: later versions only add. Text in the file has units as people write
them; the structs carry base units, named in the field (`over_s`, `max_power_w`).
`docs/scenarios.md` is the reference for users.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec

from simfleet.documents.fields import Key, ListOf, MapOf, OneOf, Part
from simfleet.documents.kinds import Choice, Duration, Measure, Parsed, Range, Text, Whole
from simfleet.load import thresholds as limits
from simfleet.load.commands import COMMANDS_MAX, Command, CommandPart
from simfleet.load.fault_fields import FAULT, STAGE_FAULTS_MAX, StageFault
from simfleet.load.identities import IDENTITY_PATTERN, identity_of, parse_identity_pattern
from simfleet.load.metrics import BOOKS_PATTERN, METRICS, metric_named
from simfleet.load.slice_models import ModelText
from simfleet.load.target_url import TARGET_PATTERN, parse_target_url
from simfleet.load.thresholds import Threshold
from simfleet.models.model import ChargerModel
from simfleet.models.schema import CONFIGURATION
from simfleet.ocpp.versions import VERSIONS, Version

if TYPE_CHECKING:
    from simfleet.documents.nodes import Scalar
from simfleet.station.chance import Span

CHARGERS_MAX = 10_000  # per run; one event loop's worth
SEED_MAX = 2**53 - 1  # what every JSON reader keeps exactly
SLICES_MAX = 100
STAGES_MAX = 100
DAY_S = 86_400.0

Mode: TypeAlias = Literal["idle", "connect", "charging"]
Transport: TypeAlias = Literal["websockets", "trio-websocket"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_KW, _KWH = 1000.0, 1000.0
_AS_SUBPROTOCOL = "is not a version; versions are spelled as the subprotocol, write"
_VERSIONS = Choice(
    *VERSIONS,
    instead={
        "1.6": f"{_AS_SUBPROTOCOL} ocpp1.6",
        "1.6J": f"{_AS_SUBPROTOCOL} ocpp1.6",
        "2.0.1": f"{_AS_SUBPROTOCOL} ocpp2.0.1",
        "2.0": "is a version that nobody speaks any more; write ocpp2.0.1",
        "2.1": f"{_AS_SUBPROTOCOL} ocpp2.1",
    },
)


def _threshold(metric: str, scalar: Scalar) -> Threshold:
    return limits.parse(scalar.text, metric)


def _thresholds_schema() -> dict[str, Any]:
    patterns = {}
    for metric in METRICS.values():
        name = metric.name.replace(".", r"\.")
        if metric.of_calls or metric.of_commands:
            name = re.sub(r"^(call|command)", r"\1(\\[[A-Za-z]+\\])?", name)
        limit = {"type": "string", "pattern": limits.pattern_of(metric.kind)}
        patterns[f"^{name}$"] = {"description": metric.means} | limit
    patterns[f"^{BOOKS_PATTERN}$"] = {
        "description": "a count in the books of the embedded CSMS",
        "type": "string",
        "pattern": limits.pattern_of("count"),
    }
    return {"patternProperties": patterns, "additionalProperties": False}


_THRESHOLDS = MapOf(
    "a mapping of metrics to limits",
    check_key=metric_named,
    read_value=_threshold,
    schema=_thresholds_schema,
    count_max=200,
    collect=lambda found: tuple(found.values()),
)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS under test: the embedded one, or an address to which each identity is appended."""

    url: Annotated[
        str,
        Key(
            Parsed("embedded or ws://host:port/prefix", parse_target_url, pattern=TARGET_PATTERN),
            "`embedded`, or where the CSMS listens: ws:// or wss://, host, port, path prefix",
        ),
    ] = "embedded"
    transport: Annotated[
        Transport,
        Key(
            Choice("websockets", "trio-websocket"),
            "which WebSocket implementation the chargers use",
        ),
    ] = "websockets"
    password: Annotated[
        str | None,
        Key(
            Text("1 to 64 printable characters", pattern=r"[ -~]+", length_max=64),
            "password of every charger for HTTP Basic authentication; the user is the identity",
        ),
    ] = None
    connect_timeout_s: Annotated[
        float,
        Key(
            Duration(0.1, 300),
            "how long TCP, TLS and WebSocket handshake may take together",
            "connect_timeout",
        ),
    ] = 10.0
    ca_file: Annotated[
        str | None,
        Key(
            Text("the path of a PEM file", length_max=4096),
            "certificates to trust for wss://, instead of the system's",
        ),
    ] = None
    client_cert: Annotated[
        str | None,
        Key(
            Text("the path of a PEM file, with {identity} for the charger's", length_max=4096),
            "certificates that chargers of security_profile 3 show",
        ),
    ] = None
    client_key: Annotated[
        str | None,
        Key(
            Text("the path of a PEM file, with {identity} for the charger's", length_max=4096),
            "the keys that belong to client_cert, if they are not in the same file",
        ),
    ] = None


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A number of equal chargers."""

    name: Annotated[
        str,
        Key(
            Text("a name of letters, digits, '.', '_' and '-'", pattern=_NAME, length_max=40),
            "what results call these chargers; unique in the fleet",
        ),
    ]
    count: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "how many chargers")]
    id_pattern: Annotated[
        str,
        Key(
            Parsed(
                'an identity with {n} or {n:05} for the number, such as "SIM-{n:05}"',
                parse_identity_pattern,
                pattern=IDENTITY_PATTERN,
            ),
            "OCPP identities; {n} is the charger's number in the slice, from 1;"
            " {n:05} is the same with leading zeros",
            "id",
        ),
    ]
    version: Annotated[Version, Key(_VERSIONS, "OCPP version, spelled as the subprotocol")] = (
        "ocpp1.6"
    )
    type: Annotated[Literal["AC", "DC"], Key(Choice("AC", "DC"), "kind of current")] = "AC"
    max_power_w: Annotated[
        float,
        Key(
            Measure(0.1, 4000, "kW", scale=_KW),
            "most power of one connector, in kW",
            "max_power_kw",
        ),
    ] = 22_000.0
    connectors: Annotated[int, Key(Whole(1, 5, "connectors"), "connectors of each charger")] = 1
    configuration: Annotated[
        dict[str, str],
        Key(CONFIGURATION, "OCPP configuration keys that differ from a charger's defaults"),
    ] = {}
    security_profile: Annotated[
        int,
        Key(
            Whole(0, 3),
            "0 none, 1 password, 2 password over TLS, 3 TLS with a certificate of its own",
        ),
    ] = 0
    reboot_s: Annotated[
        float | None,
        Key(
            Duration(0, 3600),
            "how long a charger is dark when it reboots; 5s, or what its model says",
            "reboot_time",
        ),
    ] = None
    install_s: Annotated[
        float | None,
        Key(
            Duration(0, 3600),
            "how long firmware takes to install; 10s, or what its model says",
            "install_time",
        ),
    ] = None
    transfers: Annotated[
        Literal["real", "simulated"],
        Key(
            Choice("real", "simulated"),
            "whether firmware, diagnostics and logs really go where the CSMS says; simulated opens"
            " no connection, and every transfer succeeds",
        ),
    ] = "real"
    vendor: Annotated[
        str,
        Key(Text("1 to 20 characters", length_max=20), "chargePointVendor of BootNotification"),
    ] = "SimFleet"
    model: Annotated[
        str | ChargerModel,
        Key(
            ModelText(),
            "a charger model, brand/model or the file of one; or just the chargePointModel of"
            " BootNotification",
        ),
    ] = "Virtual"

    def identity(self, n: int) -> str:
        """The OCPP identity of the slice's charger number `n`, which counts from 1."""
        return identity_of(self.id_pattern, n)


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What drivers do in mode `charging`: plug, authorize, charge, stop, unplug, pause, again."""

    think_time_s: Annotated[
        Span,
        Key(
            Range(Duration(0, DAY_S)),
            "how long each step of a human takes: tag after cable, cable after stop",
            "think_time",
        ),
    ] = Span(5, 20)
    energy_wh: Annotated[
        Span,
        Key(
            Range(Measure(0.001, 1000, "kWh", scale=_KWH)),
            "energy wanted by each session, in kWh",
            "energy_kwh",
        ),
    ] = Span(5_000, 40_000)
    pause_s: Annotated[
        Span,
        Key(
            Range(Duration(0, DAY_S)),
            "how long a connector stays free between two sessions",
            "pause",
        ),
    ] = Span(10, 60)


Faults: TypeAlias = Annotated[
    tuple[StageFault, ...],
    Key(
        ListOf(FAULT, "faults", count_min=0, count_max=STAGE_FAULTS_MAX),
        "what chargers do wrong on purpose while the stage lasts",
    ),
]


class Ramp(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag="ramp"):
    """Bring the fleet to a number of chargers, evenly over a time; the newest leave first."""

    to: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers at the end of the stage")]
    over_s: Annotated[float, Key(Duration(0, DAY_S), "how long the stage takes", "over")]
    mode: Annotated[
        Mode,
        Key(
            Choice("idle", "connect", "charging"),
            "idle: powered, no socket; connect: socket, boot, status, heartbeat;"
            " charging: transactions as well",
        ),
    ] = "charging"
    faults: Faults = ()


class Hold(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag="hold"):
    """Let the fleet go on as it is."""

    for_s: Annotated[float, Key(Duration(0, 7 * DAY_S), "how long the stage takes", "for")]
    faults: Faults = ()


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag="stop"):
    """Stop every transaction and close every socket, evenly over a time."""

    over_s: Annotated[float, Key(Duration(0, DAY_S), "how long the stage takes", "over")]
    faults: Faults = ()


Stage: TypeAlias = Ramp | Hold | Stop


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of SimFleet: which chargers, what they do, when, and what must hold."""

    schema: Annotated[Literal[1], Key(Whole(1, 1), "version of this file format")]
    name: Annotated[
        str,
        Key(
            Text("a name of letters, digits, '.', '_' and '-'", pattern=_NAME, length_max=64),
            "what results call this scenario; also part of the run folder's name",
        ),
    ]
    description: Annotated[
        str,
        Key(
            Text("text", pattern=r"[^\x00-\x08\x0b-\x1f\x7f]*", length_max=1000, empty=True),
            "what this scenario is for",
        ),
    ] = ""
    seed: Annotated[
        int, Key(Whole(0, SEED_MAX), "where every random choice starts; same seed, same fleet")
    ] = 0
    target: Annotated[Target, Key(Part(Target, "a mapping"), "the CSMS under test")] = Target()
    fleet: Annotated[
        tuple[Slice, ...],
        Key(
            ListOf(Part(Slice, "a mapping"), "slices", count_min=1, count_max=SLICES_MAX),
            "the chargers, in slices of equal ones",
        ),
    ]
    behaviour: Annotated[Behaviour, Key(Part(Behaviour, "a mapping"), "what the drivers do")] = (
        Behaviour()
    )
    stages: Annotated[
        tuple[Stage, ...],
        Key(
            ListOf(
                OneOf("do", (Ramp, Hold, Stop), "a stage such as {do: hold, for: 30s}"),
                "stages",
                count_min=1,
                count_max=STAGES_MAX,
            ),
            "what happens, one after the other",
        ),
    ]
    commands: Annotated[
        tuple[Command, ...],
        Key(
            ListOf(CommandPart(), "commands", count_min=0, count_max=COMMANDS_MAX),
            "what the embedded CSMS sends to chargers, and when",
        ),
    ] = ()
    thresholds: Annotated[
        tuple[Threshold, ...],
        Key(_THRESHOLDS, "limits that the run must keep to pass"),
    ] = ()

    @property
    def chargers(self) -> int:
        """How many chargers the fleet has."""
        return sum(part.count for part in self.fleet)

    @property
    def lasts_s(self) -> float:
        """How long the stages take together, as planned."""
        return sum(
            stage.for_s if isinstance(stage, Hold) else stage.over_s for stage in self.stages
        )
