"""A charger model in use: the spec and the factory settings of its stations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct
from msgspec.structs import replace

from simfleet.models.schema import ModelWords, Outlet, Variable, VendorKey
from simfleet.station.configuration import for_station
from simfleet.station.configuration_keys import KEYS, Key, KeyType, items_of
from simfleet.station.configuration_keys2 import KEYS_2
from simfleet.station.meter import ONLY_16, SINGLE_PHASE_MAX_W, ElectricalSpec
from simfleet.station.spec import StationSpec
from simfleet.station.vehicle import vehicles_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simfleet.station.configuration import FactorySettings
    from simfleet.station.quirks import Quirks
    from simfleet.station.vehicle import CurrentKind

_KEY_TYPES: dict[str, KeyType] = {
    "int": "int",
    "bool": "bool",
    "text": "str",
    "choice": "enum",
    "list": "csv",
}
_OF_MEASURANDS = (
    "MeterValuesSampledData",
    "MeterValuesAlignedData",
    "StopTxnSampledData",
    "StopTxnAlignedData",
)


class Wanted(Struct, frozen=True, kw_only=True):
    """What its user wants of a charger, where that differs from what the model is built like."""

    kind: Literal["AC", "DC"]
    max_power_w: float
    connectors: int
    vendor: str


class ChargerModel(Struct, frozen=True):
    """One model. `name` is `brand/model`, or the path of a user's file."""

    name: str
    words: ModelWords

    @property
    def kind(self) -> CurrentKind:
        """DC if any of its connectors is."""
        return "DC" if any(outlet.kind == "DC" for outlet in self.words.connectors) else "AC"

    @property
    def max_power_w(self) -> float:
        """Of its strongest connector."""
        return max(outlet.max_power_w for outlet in self.words.connectors)

    @property
    def as_built(self) -> Wanted:
        """What there is to want of it without wanting anything else."""
        return Wanted(
            kind=self.kind,
            max_power_w=self.max_power_w,
            connectors=len(self.words.connectors),
            vendor=self.words.nameplate.vendor,
        )

    def outlets(self, wanted: Wanted) -> tuple[ElectricalSpec, ...]:
        """The connectors of such a charger, built as wanted.

        More connectors than the model has repeat it from the first. Another power is that of all
        connectors of its kind, another kind of current makes all of them the usual ones.
        """
        if wanted.kind != self.kind:
            usual = ElectricalSpec.of(wanted.kind, max_power_w=wanted.max_power_w)
            return (usual,) * wanted.connectors
        built = [electrical_of(outlet) for outlet in self.words.connectors]
        if wanted.max_power_w != self.max_power_w:
            built = [
                replace(one, max_power_w=wanted.max_power_w) if one.kind == self.kind else one
                for one in built
            ]
        return tuple(built[number % len(built)] for number in range(wanted.connectors))

    def spec(self, wanted: Wanted | None = None) -> StationSpec:
        """What all chargers of the model share, built as wanted (None: as the model is)."""
        wanted = wanted or self.as_built
        outlets = self.outlets(wanted)
        plate = self.words.nameplate
        return StationSpec(
            electrical=outlets[0],
            # A car that takes DC takes AC as well.
            vehicles=vehicles_for(wanted.kind),
            vendor=wanted.vendor,
            model=plate.model,
            firmware_version=plate.firmware_version,
            connectors=wanted.connectors,
            serial_number=plate.serial_number,
            iccid=plate.iccid,
            imsi=plate.imsi,
            meter_type=plate.meter_type,
            meter_serial_number=plate.meter_serial_number,
            outlets=outlets,
            station_max_power_w=self.words.station_max_power_w,
            quirks=self.quirks,
        )

    @property
    def quirks(self) -> Quirks | None:
        """What its stations do differently; None when nothing."""
        return self.words.quirks.for_station()

    def factory(
        self,
        wanted: Wanted | None = None,
        configuration: Mapping[str, str] | None = None,
        *,
        version: str = "ocpp1.6",
    ) -> FactorySettings:
        """What its stations come out of the factory with; `configuration` wins over the model's.

        ValueError as of `configuration.for_station`, one line per mistake.
        """
        wanted = wanted or self.as_built
        return for_station(
            wanted.connectors,
            merged(self.settings_of(version), configuration or {}),
            kind=wanted.kind,
            keys=key_rows(self.words, kind=wanted.kind, version=version),
            version=version,
        ).factory

    @property
    def settings(self) -> dict[str, str]:
        """The standard keys that it has set otherwise than SimFleet's default."""
        profiles = self.words.feature_profiles
        given = {"SupportedFeatureProfiles": ",".join(profiles)} if profiles else {}
        return merged(given, self.words.configuration)

    def settings_of(self, version: str) -> dict[str, str]:
        """The same in a version: what 2.x has no word for is left out of lists of measurands."""
        if version == "ocpp1.6":
            return self.settings
        lists = {name.lower() for name in _OF_MEASURANDS}
        return {
            name: ",".join(one for one in items_of(value) if one not in ONLY_16)
            if name.lower() in lists
            else value
            for name, value in self.settings.items()
        }


def electrical_of(outlet: Outlet) -> ElectricalSpec:
    """The electrical side of a connector as it is written."""
    usual = ElectricalSpec.of(outlet.kind, max_power_w=outlet.max_power_w)
    phases = usual.phases if outlet.phases is None else cast("Literal[1, 3]", outlet.phases)
    cable = outlet.cable or ("tethered" if outlet.kind == "DC" else "socket")
    return ElectricalSpec(
        outlet.kind,
        outlet.max_power_w,
        phases,
        outlet.voltage_v or usual.nominal_v,
        tethered=cable == "tethered",
    )


def phases_usual(max_power_w: float) -> int:
    """How many phases an AC connector of this power has unless it is said."""
    return 1 if max_power_w <= SINGLE_PHASE_MAX_W else 3


def merged(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Configuration values of both; of one key, however it is spelled, the second's."""
    folded = {name.lower() for name in second}
    kept = {name: value for name, value in first.items() if name.lower() not in folded}
    return {**kept, **second}


# ── configuration keys ───────────────────────────────────────────────────────────────────────────


def key_rows(words: ModelWords, *, kind: CurrentKind, version: str = "ocpp1.6") -> tuple[Key, ...]:
    """The keys that the model has otherwise than OCPP has them, and those of its vendor; in 2.x its
    variables, too.
    """
    rows: dict[str, Key] = {}
    if words.measurands:
        members = frozenset(words.measurands) - (ONLY_16 if version != "ocpp1.6" else set())
        for name in _OF_MEASURANDS:
            default = [one for one in items_of(KEYS[name].default) if one in members]
            if name == "MeterValuesSampledData" and kind == "DC" and "SoC" in members:
                default.append("SoC")
            rows[name] = replace(KEYS[name], members=members, default=",".join(default))
    standard = {name.lower(): name for name in KEYS}
    changes: tuple[tuple[tuple[str, ...], dict[str, bool]], ...] = (
        (words.read_only, {"readonly": True}),
        (words.needs_reboot, {"reboot": True}),
    )
    for names, change in changes:
        for written in names:
            name = standard[written.lower()]
            rows[name] = replace(rows.get(name, KEYS[name]), **change)
    for name, key in words.vendor_keys.items():
        rows[name] = vendor_row(name, key)
    if version != "ocpp1.6":
        rows |= {row.name: row for row in _variables(words)}
    return tuple(rows.values())


def _variables(words: ModelWords) -> Iterator[Key]:
    """What the model's device model has otherwise than SimFleet's."""
    if words.measurands:
        for key in KEYS_2:
            if key.name.endswith("Measurands"):
                members = key.members & frozenset(words.measurands)
                default = [one for one in items_of(key.default) if one in members]
                yield replace(key, members=members, default=",".join(default))
    for name, variable in words.device_model.items():
        yield variable_row(name, variable)


VARIABLES = {key.name.lower(): key for key in KEYS_2}
"""The variables of 2.x that every station has and 1.6 has no key for, by name in lower case."""


def variable_row(name: str, variable: Variable) -> Key:
    """A variable as stations have it: one that all have, changed, or one of the model's own."""
    known = VARIABLES.get(name.lower())
    if known is None:
        low, high = variable.low, variable.high
        return Key(
            name=name,
            type=_KEY_TYPES[variable.type or "text"],
            default=variable.default,
            low=0 if low is None else low,
            high=2**31 - 1 if high is None else high,
            unit=variable.unit,
            members=frozenset(variable.choices),
            readonly=bool(variable.read_only),
            reboot=variable.reboot,
        )
    readonly = known.readonly if variable.read_only is None else variable.read_only
    return replace(
        known,
        default=variable.default,
        low=known.low if variable.low is None else variable.low,
        high=known.high if variable.high is None else variable.high,
        members=frozenset(variable.choices) or known.members,
        readonly=readonly,
        reboot=variable.reboot or known.reboot,
    )


def vendor_row(name: str, key: VendorKey) -> Key:
    """A key of the vendor's as stations have them."""
    return Key(
        name=name,
        type=_KEY_TYPES[key.type],
        default=key.default,
        low=key.low,
        high=key.high,
        unit=key.unit,
        members=frozenset(key.choices),
        readonly=key.read_only,
        reboot=key.reboot,
    )
