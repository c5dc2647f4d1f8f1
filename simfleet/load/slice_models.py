"""`model:` of a slice: what a charger calls itself, or a model of the catalogue, or a file of one.

A text with a slash or with the ending of a YAML file names a model; anything else is the
chargePointModel of BootNotification, and the charger is SimFleet's own. What the slice itself says
of type, power, connectors and vendor wins over the model, and so does its configuration, key by
key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simfleet.documents.kinds import BAD, Text, Value
from simfleet.models.catalogue import names_a_model
from simfleet.models.model import ChargerModel, Wanted
from simfleet.models.schema import MODEL_FILE, MODEL_NAME
from simfleet.station.configuration import for_station

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simfleet.documents.fields import Draft
    from simfleet.documents.nodes import Report
    from simfleet.load.schema1 import Slice
    from simfleet.models.catalogue import Catalogue
    from simfleet.station.configuration import FactorySettings

_PATH_MAX = 4096


class ModelText(Text):
    """The text of `model:`; a name is longer than what BootNotification has room for."""

    def __init__(self) -> None:
        super().__init__(
            "1 to 20 characters, a model such as norrvik/hem-11, or a file such as ./my.yaml",
            length_max=20,
        )
        self._name = Text(self.accepts, length_max=_PATH_MAX)

    def parse(self, text: str) -> str:
        """See ScalarKind."""
        return self._name.parse(text) if names_a_model(text) else super().parse(text)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        named = {"type": "string", "pattern": f"^(?:{MODEL_NAME}|{MODEL_FILE})$"}
        return {"anyOf": [super().json_schema(), named]}


def put_models_in(draft: Draft, models: Catalogue, folder: Path | None, report: Report) -> None:
    """Replace the names of models by the models, and fill in what their slices leave open."""
    fleet: Value = BAD if draft is BAD else draft.get("fleet")
    for item in fleet if fleet is not BAD else ():
        text = BAD if item is BAD else item.get("model")
        if not isinstance(text, str) or not names_a_model(text):
            continue
        place, path = item.place_of("model"), f"{item.path}.model"
        model = models.named(text, folder=folder, place=place, path=path, report=report)
        if model is None:
            del item.values["model"]
            continue
        built = model.as_built
        item.values["model"] = model
        for attribute, value in (
            ("type", built.kind),
            ("max_power_w", built.max_power_w),
            ("connectors", built.connectors),
            ("vendor", built.vendor),
        ):
            if attribute not in item.places:
                item.values[attribute] = value


def wanted_of(part: Slice) -> Wanted:
    """What a slice wants of its chargers."""
    return Wanted(
        kind=part.type,
        max_power_w=part.max_power_w,
        connectors=part.connectors,
        vendor=part.vendor,
    )


def factory_of(
    model: ChargerModel | str,
    wanted: Wanted,
    configuration: Mapping[str, str],
    *,
    version: str = "ocpp1.6",
) -> FactorySettings:
    """The factory settings of a slice's chargers. ValueError as of `configuration.for_station`."""
    if isinstance(model, ChargerModel):
        return model.factory(wanted, configuration, version=version)
    return for_station(wanted.connectors, configuration, kind=wanted.kind, version=version).factory
