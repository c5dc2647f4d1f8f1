"""The catalogue as it is shown: by `simfleet models`, by the REST API and in docs/models.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from simfleet.documents.quantities import number_text
from simfleet.models.model import electrical_of, variable_row
from simfleet.models.quirk_words import QUIRKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.models.model import ChargerModel
    from simfleet.station.configuration_keys import Key


class ConnectorShown(Struct, frozen=True):
    """One connector; `phases` is null for DC."""

    kind: Literal["AC", "DC"]
    power_kw: float
    phases: int | None
    cable: Literal["socket", "tethered"]
    plug: str


class QuirkShown(Struct, frozen=True):
    """A quirk, what it means, and what stands behind it."""

    name: str
    means: str
    why: str


class VendorKeyShown(Struct, frozen=True):
    """A configuration key of the vendor's own; `accepts` is in words."""

    name: str
    default: str
    accepts: str
    read_only: bool
    reboot: bool
    means: str


class ModelRow(Struct, frozen=True, kw_only=True):
    """A model in a list. `name` is what `model` of a charger, or of a slice, can be."""

    name: str
    vendor: str
    model: str
    about: str
    charger_type: Literal["AC", "DC"]
    max_power_kw: float
    num_connectors: int
    quirks: list[str]


class ModelShown(ModelRow, frozen=True, kw_only=True):
    """All there is to know of a model. `configuration` is every key with its factory setting,
    `device_model` the variables of 2.x that it has otherwise than others.
    """

    firmware_version: str
    connectors: list[ConnectorShown]
    station_power_kw: float | None
    feature_profiles: list[str]
    configuration: dict[str, str]
    read_only: list[str]
    vendor_keys: list[VendorKeyShown]
    device_model: list[VendorKeyShown]
    quirks_explained: list[QuirkShown]


def row_of(model: ChargerModel) -> ModelRow:
    """A model in short."""
    plate = model.words.nameplate
    return ModelRow(
        name=model.name,
        vendor=plate.vendor,
        model=plate.model,
        about=model.words.about,
        charger_type=model.kind,
        max_power_kw=model.max_power_w / 1000.0,
        num_connectors=len(model.words.connectors),
        quirks=list(model.words.quirks.present()),
    )


def shown(model: ChargerModel) -> ModelShown:
    """A model in full."""
    words, factory, row = model.words, model.factory(), row_of(model)
    limit_w = words.station_max_power_w
    return ModelShown(
        **{name: getattr(row, name) for name in row.__struct_fields__},
        firmware_version=words.nameplate.firmware_version,
        connectors=[_connector(model, number) for number in range(len(words.connectors))],
        station_power_kw=None if limit_w is None else limit_w / 1000.0,
        feature_profiles=factory.values["SupportedFeatureProfiles"].split(","),
        configuration={
            name: value
            for name, value in factory.values.items()
            if not factory.keys[name].writeonly
        },
        read_only=[name for name, key in factory.keys.items() if key.readonly],
        vendor_keys=[
            VendorKeyShown(
                name,
                key.default,
                factory.keys[name].expects(),
                key.read_only,
                key.reboot,
                key.means,
            )
            for name, key in words.vendor_keys.items()
        ],
        device_model=[
            _variable(variable_row(name, one), one.means)
            for name, one in words.device_model.items()
        ],
        quirks_explained=[
            QuirkShown(name, QUIRKS[name], why) for name, why in words.quirks.present().items()
        ],
    )


def _variable(row: Key, means: str) -> VendorKeyShown:
    return VendorKeyShown(row.name, row.default, row.expects(), row.readonly, row.reboot, means)


def _connector(model: ChargerModel, number: int) -> ConnectorShown:
    outlet = model.words.connectors[number]
    electrical = electrical_of(outlet)
    return ConnectorShown(
        outlet.kind,
        outlet.max_power_w / 1000.0,
        electrical.phases if outlet.kind == "AC" else None,
        "tethered" if electrical.tethered else "socket",
        outlet.plug,
    )


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def power_text(model: ChargerModel) -> str:
    """Its connectors, alike ones together: `2 x DC 150 kW, 1 x AC 22 kW (together 150 kW)`."""
    counted: dict[str, int] = {}
    for outlet in model.words.connectors:
        text = f"{outlet.kind} {number_text(outlet.max_power_w / 1000)} kW"
        counted[text] = counted.get(text, 0) + 1
    connectors = ", ".join(f"{count} x {text}" for text, count in counted.items())
    limit_w = model.words.station_max_power_w
    if limit_w is None:
        return connectors
    return f"{connectors} (together {number_text(limit_w / 1000)} kW)"


def text_table(models: Sequence[ChargerModel]) -> str:
    """The catalogue for a terminal."""
    rows = [("MODEL", "CONNECTORS", "QUIRKS")]
    rows += [
        (model.name, power_text(model), ", ".join(model.words.quirks.present()) or "none")
        for model in models
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(
        f"{name:<{widths[0]}}  {connectors:<{widths[1]}}  {quirks}"
        for name, connectors, quirks in rows
    )


def markdown_tables(models: Sequence[ChargerModel]) -> str:
    """The catalogue, and every quirk that there is, for docs/models.md."""
    lines = ["| model | what it is | connectors |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {one.words.about} | {power_text(one)} |" for one in models]
    lines += ["", "| model | quirk | why |", "|---|---|---|"]
    for one in models:
        lines += [
            f"| `{one.name}` | `{quirk}` | {why} |"
            for quirk, why in one.words.quirks.present().items()
        ]
    lines += ["", "| quirk | what it means |", "|---|---|"]
    lines += [f"| `{quirk}` | {means} |" for quirk, means in QUIRKS.items()]
    return "\n".join(lines)
