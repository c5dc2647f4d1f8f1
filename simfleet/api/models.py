"""/api/models: the charger models that a charger can be of."""

from __future__ import annotations

from typing import Final

import trio
from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.models.overview import ModelRow, ModelShown, row_of, shown

__all__ = ["models"]

models = Blueprint("models", __name__)

BREATH_EVERY: Final = 20
"""Models read for a list before others get a turn of the event loop."""


@route(
    models,
    "GET",
    "/api/models",
    summary="All charger models, by name",
    description="`name` is what `model` of a new charger, or of a slice in a scenario, can be.",
    answers={200: list[ModelRow]},
)
async def list_models() -> list[ModelRow]:
    await current_user()
    catalogue = services().registry.models
    rows: list[ModelRow] = []
    for number, name in enumerate(catalogue.names, start=1):
        rows.append(row_of(catalogue.find(name)))
        if number % BREATH_EVERY == 0:
            await trio.lowlevel.checkpoint()
    return rows


@route(
    models,
    "GET",
    "/api/models/{brand}/{model}",
    summary="One charger model: connectors, configuration keys, quirks",
    answers={200: ModelShown},
)
async def get_model(brand: str, model: str) -> ModelShown:
    await current_user()
    return shown(services().registry.models.find(f"{brand}/{model}"))
