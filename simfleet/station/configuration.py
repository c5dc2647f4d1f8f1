"""The configuration of one OCPP 1.6 charge point: the values of its keys, and who may change them.

What is equal for all chargers of a fleet slice is one shared `FactorySettings`; what a charger
changed is an `_Overlay`, itself shared by all chargers that made the same changes. So a charger's
`Configuration` is three references.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from simfleet.station.configuration_keys import KEYS, NAME_MAX_CHARS, Key, items_of
from simfleet.station.configuration_keys2 import KEYS_2
from simfleet.station.configuration_keys_energy import ENERGY_KEYS_21, WIDENED
from simfleet.station.configuration_keys_tariff import TARIFF_KEYS
from simfleet.station.meter import REGISTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.station.vehicle import CurrentKind

ChangeStatus = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]

# Empty, these still mean a meter value, and that has at least the register.
_NEVER_EMPTY = frozenset({"MeterValuesSampledData", "MeterValuesAlignedData"})


class Reported(NamedTuple):
    """One KeyValue of GetConfiguration.conf. `value` is None for a key that may not be read."""

    key: str
    readonly: bool
    value: str | None


class Report(NamedTuple):
    """The answer to GetConfiguration; the caller decides what to do beyond `max_keys`."""

    known: list[Reported]
    unknown: list[str]
    max_keys: int  # GetConfigurationMaxKeys


class Sampling(NamedTuple):
    """What is sampled in a transaction, and what of it StopTransaction repeats."""

    interval_s: int  # 0: nothing is sampled
    measurands: tuple[str, ...]
    for_stop: tuple[str, ...]


@lru_cache(maxsize=256)
def _sampling(interval_s: int, measurands: tuple[str, ...], for_stop: tuple[str, ...]) -> Sampling:
    """Equal settings are one object, shared by all chargers that have them."""
    return Sampling(interval_s, measurands, for_stop)


class _Overlay:
    """Values that differ from the factory's; never changed once made, so chargers can share it."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values


_UNCHANGED = _Overlay({})


@lru_cache(maxsize=1024)
def _changed(overlay: _Overlay, name: str, value: str | None) -> _Overlay:
    """`overlay` with `name` set, or gone (None); the same object for the same change."""
    values = {**overlay.values}
    values.pop(name, None)
    if value is not None:
        values[name] = value
    return _Overlay(values) if values else _UNCHANGED


class FactorySettings:
    """What a charger comes out of the factory with; shared by a fleet slice, never changed."""

    __slots__ = ("by_folded_name", "keys", "values")

    def __init__(self, keys: Mapping[str, Key], values: Mapping[str, str]) -> None:
        self.keys = MappingProxyType(dict(keys))
        self.values = MappingProxyType(dict(values))
        self.by_folded_name = MappingProxyType({name.lower(): name for name in keys})


class Configuration:
    """The configuration keys of one charger. Names are compared without regard to case (CiString).

    It survives resets and reboots. A change to a key with `reboot` waits until `apply_pending`,
    which the station calls when it boots.
    """

    __slots__ = ("_overlay", "_pending", "_sampling", "factory")

    def __init__(self, factory: FactorySettings) -> None:
        self.factory = factory
        self._overlay = _UNCHANGED
        self._pending = _UNCHANGED
        self._sampling: Sampling | None = None

    # ── reading ────────────────────────────────────────────────────────────

    def get(self, name: str) -> str | None:
        """The value in effect; None for a key that this charger does not have."""
        value = self._overlay.values.get(name)
        if value is None:
            value = self.factory.values.get(name)
        if value is None:
            known_as = self.factory.by_folded_name.get(name.lower())
            if known_as is not None and known_as != name:
                return self.get(known_as)
        return value

    def stored(self, name: str) -> str | None:
        """The value that will be in effect after the next boot; None as above."""
        value = self._pending.values.get(name)
        return self.get(name) if value is None else value

    def whole(self, name: str) -> int:
        """The value of an integer key. KeyError when this charger does not have it."""
        return int(self._have(name))

    def seconds(self, name: str) -> int:
        """The value of a key that is a time in seconds; 0 means off. KeyError as above."""
        return int(self._have(name))

    def flag(self, name: str) -> bool:
        """The value of a boolean key. KeyError as above."""
        return self._have(name) == "true"

    def items(self, name: str) -> tuple[str, ...]:
        """The value of a list key. KeyError as above."""
        return items_of(self._have(name))

    def measurands(self, name: str) -> tuple[str, ...]:
        """What to sample for a list of measurands; equal lists are one object. KeyError as above.

        For MeterValuesSampledData and MeterValuesAlignedData an empty list means the energy
        register; for the StopTxn lists it means nothing.
        """
        wanted = items_of(self._have(name))
        return wanted or ((REGISTER,) if name in _NEVER_EMPTY else ())

    @property
    def sampling(self) -> Sampling:
        """How a transaction is sampled: asked for at every sample, so found once per change."""
        if self._sampling is None:
            self._sampling = _sampling(
                self.seconds("MeterValueSampleInterval"),
                self.measurands("MeterValuesSampledData"),
                self.measurands("StopTxnSampledData"),
            )
        return self._sampling

    def supports(self, profile: str) -> bool:
        """Whether SupportedFeatureProfiles lists `profile`; only then do its keys exist."""
        return profile in self.items("SupportedFeatureProfiles")

    def report(self, keys: Sequence[str] | None = None) -> Report:
        """Answer GetConfiguration: all readable keys, or those asked for.

        Known keys are named as the standard writes them, unknown ones as they were asked; each is
        reported once. A write-only key is left out of the whole list, and has no value when asked
        for. A key that waits for a reboot shows the new value: it is what the charger has stored.
        """
        max_keys = self.whole("GetConfigurationMaxKeys")
        if not keys:
            known = [self._reported(key) for key in self.factory.keys.values() if not key.writeonly]
            return Report(known, [], max_keys)
        known_names: dict[str, None] = {}
        unknown: dict[str, None] = {}
        for asked in keys:
            name = self.factory.by_folded_name.get(asked.lower())
            if name is None:
                unknown[asked] = None
            else:
                known_names[name] = None
        return Report(
            [self._reported(self.factory.keys[name]) for name in known_names],
            list(unknown),
            max_keys,
        )

    # ── writing ────────────────────────────────────────────────────────────

    def change(self, name: str, value: str) -> ChangeStatus:
        """Answer ChangeConfiguration; a value that is not accepted changes nothing."""
        known_as = self.factory.by_folded_name.get(name.lower())
        if known_as is None:
            return "NotSupported"
        key = self.factory.keys[known_as]
        stored = None if key.readonly else key.normal(value)
        if stored is None or not self._fits(key, stored):
            return "Rejected"
        if key.reboot:
            self._pending = _changed(self._pending, known_as, stored)
            return "RebootRequired"
        self.store(known_as, stored)
        return "Accepted"

    def store(self, name: str, value: str) -> None:
        """Set a value on the station's own account, read-only keys too: HeartbeatInterval from the
        boot answer.

        KeyError for a key that this charger does not have, ValueError for a value that the key
        cannot have.
        """
        known_as = self.factory.by_folded_name[name.lower()]
        key = self.factory.keys[known_as]
        stored = key.normal(value)
        if stored is None or not self._fits(key, stored):
            raise ValueError(f'{known_as}: "{value}" is not {key.expects()}')
        changed = None if stored == self.factory.values[known_as] else stored
        if self._overlay.values.get(known_as) != changed:
            self._overlay = _changed(self._overlay, known_as, changed)
            self._sampling = None

    def apply_pending(self) -> None:
        """Put the changes that waited for a reboot into effect."""
        pending, self._pending = self._pending, _UNCHANGED
        for name, value in pending.values.items():
            self.store(name, value)

    def changes(self) -> Mapping[str, str]:
        """What differs from the factory settings, pending changes included.

        That is what must survive a power loss: `store` it again, key by key.
        """
        return {**self._overlay.values, **self._pending.values}

    def _have(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def _reported(self, key: Key) -> Reported:
        value = None
        if not key.writeonly:
            value = self._pending.values.get(key.name, self._have(key.name))
        return Reported(key.name, key.readonly, value)

    def _fits(self, key: Key, value: str) -> bool:
        """The rules that need other keys: the length of a list, the number of connectors."""
        if key.type != "csv":
            return True
        items = items_of(value)
        if key.max_items_key and len(items) > self.whole(key.max_items_key):
            return False
        if key.name == "ConnectorPhaseRotation":
            connectors = self.whole("NumberOfConnectors")
            return all(int(item.split(".")[0]) <= connectors for item in items if "." in item)
        return True


def for_station(
    connectors: int,
    initial: Mapping[str, str],
    *,
    kind: CurrentKind = "AC",
    keys: Sequence[Key] = (),
    version: str = "ocpp1.6",
) -> Configuration:
    """A charger fresh from the factory. Chargers with equal arguments share all of it.

    `initial` is the factory setting of some keys, read-only ones too; a name that OCPP does not
    know becomes a vendor key, a text that can be read and written. `keys` are the rows of a charger
    model: vendor keys with a type of their own, and standard keys that it has otherwise than OCPP
    (read-only, fewer measurands); their defaults are its factory settings. ValueError, one line per
    mistake, names key, value and what would be accepted.
    """
    given = tuple(sorted(initial.items()))
    more = () if version == "ocpp1.6" else (*WIDENED, *KEYS_2)
    if version == "ocpp2.1":
        more = (*more, *TARIFF_KEYS, *ENERGY_KEYS_21)
    return Configuration(_factory(connectors, kind, given, (*more, *keys)))


@lru_cache(maxsize=256)
def _factory(
    connectors: int,
    kind: CurrentKind,
    initial: tuple[tuple[str, str], ...],
    rows: tuple[Key, ...],
) -> FactorySettings:
    keys = dict(KEYS)
    values = {name: key.default for name, key in KEYS.items()}
    values["NumberOfConnectors"] = str(connectors)
    if kind == "DC":
        values["MeterValuesSampledData"] += ",SoC"
    for key in rows:
        keys[key.name] = key
        if key not in WIDENED:
            values[key.name] = key.default
    standard = {name.lower(): key for name, key in keys.items()}
    problems: list[str] = []
    given: set[str] = set()
    for name, value in initial:
        key = standard.get(name.lower()) or Key(name=name, type="str", default=value)
        keys[key.name] = key
        stored = key.normal(value)
        if name.lower() not in standard and not 0 < len(name) <= NAME_MAX_CHARS:
            problems.append(f'"{name}": a key has a name of at most {NAME_MAX_CHARS} characters')
        if name.lower() in given:
            problems.append(f"{name}: given twice; upper and lower case make no difference")
        if stored is None:
            problems.append(f'{key.name}: "{value}" is not {key.expects()}')
        given.add(name.lower())
        values[key.name] = value if stored is None else stored
    if problems:
        raise ValueError("\n".join(problems))
    profiles = items_of(values["SupportedFeatureProfiles"])
    kept = {name: key for name, key in keys.items() if not key.profile or key.profile in profiles}
    factory = FactorySettings(kept, {name: values[name] for name in kept})
    problems = _contradictions(factory, connectors)
    problems += [
        f"{key.name}: belongs to {key.profile}; add it to SupportedFeatureProfiles, "
        f"now {','.join(profiles)}"
        for name, key in keys.items()
        if name not in kept and name.lower() in given
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return factory


def _contradictions(factory: FactorySettings, connectors: int) -> list[str]:
    """What is wrong with the settings taken together."""
    problems = []
    settings = Configuration(factory)
    if settings.whole("NumberOfConnectors") != connectors:
        given = factory.values["NumberOfConnectors"]
        problems.append(
            f'NumberOfConnectors: "{given}" is not the number of connectors, {connectors}'
        )
    for name, key in factory.keys.items():
        value = factory.values[name]
        if not settings._fits(key, value):
            limit = key.max_items_key
            at_most = f", at most {factory.values[limit]} items" if limit else ""
            problems.append(
                f'{name}: "{value}" is not {key.expects()}{at_most}, for {connectors} connectors'
            )
    if not settings.supports("Core"):
        problems.append(
            "SupportedFeatureProfiles: Core is missing; every OCPP 1.6 charge point has it"
        )
    return problems
