"""The target and the slices of a scenario: whom the chargers talk to, and who they are."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from simfleet.documents.fields import Key, MapOf, Part
from simfleet.documents.kinds import Choice, Duration, Measure, Parsed, Text, Whole
from simfleet.documents.quantities import shown
from simfleet.load.behaviour_fields import Behaviour
from simfleet.load.feed_fields import LABELS, PASSWORD, Data, Tags, TagsKind
from simfleet.load.identities import IDENTITY_PATTERN, identity_of, parse_identity_pattern
from simfleet.load.network_fields import SLICE_NETWORK, SliceImpairment
from simfleet.load.slice_models import ModelText
from simfleet.load.target_url import TARGET_PATTERN, parse_target_url
from simfleet.models.model import ChargerModel
from simfleet.models.schema import CONFIGURATION
from simfleet.ocpp.versions import VERSIONS, Version

CHARGERS_MAX: Final = 10_000
"""Per run; one event loop's worth."""
NAME_ACCEPTS: Final = "a name of letters, digits, '.', '_' and '-'"
NAME_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"

Transport: TypeAlias = Literal["websockets", "trio-websocket"]

_KW = 1000.0
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


_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = Text("printable text", pattern=r"[ -~]*", length_max=4096, empty=True)
_OURS: Final = frozenset({"host", "connection", "upgrade", "authorization", "content-length"})


def _check_header(name: str) -> None:
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{shown(name)} is no name of a header")
    if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
        raise ValueError(f"{name} is a header that the handshake itself needs")


_HEADERS: Final = MapOf(
    "a mapping of headers to text",
    check_key=_check_header,
    read_value=lambda _, scalar: _HEADER_VALUE.parse_scalar(scalar),
    schema=lambda: {
        "propertyNames": {"pattern": f"^{_HEADER.pattern}$"},
        "additionalProperties": _HEADER_VALUE.json_schema(),
    },
    count_max=20,
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
            PASSWORD,
            "password of every charger for HTTP Basic authentication; the user is the identity",
        ),
    ] = None
    headers: Annotated[
        dict[str, str],
        Key(_HEADERS, "headers of every charger's handshake, for gateways before the CSMS"),
    ] = {}
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
            Text(NAME_ACCEPTS, pattern=NAME_PATTERN, length_max=40),
            "what results call these chargers; unique in the fleet",
        ),
    ]
    count: Annotated[
        int,
        Key(
            Whole(0, CHARGERS_MAX, "chargers"),
            "how many chargers; with data, its rows unless said otherwise",
            unless="data",
        ),
    ]
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
            unless="data",
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

    network: Annotated[
        tuple[SliceImpairment, ...],
        Key(SLICE_NETWORK, "what is wrong with the way to the CSMS, from beginning to end"),
    ] = ()

    data: Annotated[
        Data | None,
        Key(
            Part(Data, "a mapping such as {file: chargers.csv, identity: id}"),
            "a file with a row for each charger: identities, tags, passwords",
        ),
    ] = None
    id_tags: Annotated[
        Tags | None,
        Key(TagsKind(), "tags that drivers draw theirs from; none: each charger has its own"),
    ] = None
    password: Annotated[
        str | None,
        Key(PASSWORD, "password of these chargers, instead of target.password"),
    ] = None
    behaviour: Annotated[
        Behaviour | None,
        Key(
            Part(Behaviour, "a mapping"),
            "what the drivers of these chargers do; what it does not say is as in the scenario's",
        ),
    ] = None
    labels: Annotated[dict[str, str], Key(LABELS, "words for results, such as region: north")] = {}

    def identity(self, n: int) -> str:
        """The OCPP identity of the slice's charger number `n`, which counts from 1."""
        if self.data is not None and self.data.identity is not None:
            return self.data.rows.column("identity")[n - 1]
        return identity_of(self.id_pattern, n)
