"""OpenAPI 3.1, generated from the route table and the very types that decode and encode.

msgspec writes the schemas (JSON Schema 2020-12, which OpenAPI 3.1 is built on); this module puts
them in their places. What every route of a kind can answer is added to what each one says.
"""

from __future__ import annotations

import inspect
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from simfleet import __version__
from simfleet.api.bodies import Media
from simfleet.api.failures import CODES
from simfleet.api.routes import Route, route_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from quart import Quart

    from simfleet.api.routes import Handler

__all__ = ["Error", "describe", "routes_of"]

REF: Final = "#/components/schemas/{name}"
SECURITY_SCHEMES: Final = {
    "key_header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The recommended way. When several are sent, the first listed here counts.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key, as a token."},
    "key_query": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "For EventSource, which cannot set headers.",
    },
}
ABOUT: Final = (
    "Control virtual chargers, manage settings, follow OCPP logs and drive load tests. Every path "
    "under /api/ needs a personal API key, which sees its owner's chargers only. Errors are "
    '`{"error": text, "code": CODE}` with the code also in `X-Error-Code`. '
    "Times without a zone are UTC."
)


class Error(msgspec.Struct, frozen=True):
    """What every error is answered with."""

    error: str
    """For people."""
    code: str
    """For programs; the same as the header `X-Error-Code`."""


def routes_of(app: Quart) -> list[Route]:
    """The routes of `app` in the order in which they were registered."""
    found: dict[int, Route] = {}
    for rule in app.url_map.iter_rules():
        known = route_of(cast("Handler", app.view_functions[rule.endpoint]))
        if known is not None:
            found[id(known)] = known
    return list(found.values())


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI document of `routes`, ready for JSON."""
    routes = list(routes)
    types = [Error, *(kind for route in routes for kind in _types_of(route))]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = _Schemas(types, schemas, components)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "SimFleet", "version": __version__, "description": ABOUT},
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {str(status): _error(status, schema_of) for status in _statuses(routes)},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


class _Schemas:
    """The schema of each type, found by the type itself: unions and lists are types as well."""

    def __init__(
        self, types: list[Any], schemas: tuple[dict[str, Any], ...], components: dict[str, Any]
    ) -> None:
        self._pairs = list(zip(types, schemas, strict=True))
        self._components = components

    def __call__(self, kind: Any) -> dict[str, Any]:
        return next(schema for known, schema in self._pairs if known == kind)

    def properties(self, kind: Any) -> tuple[dict[str, Any], set[str]]:
        """The fields of a struct with their schemas, and the names of those that must be given."""
        schema = self(kind)
        if "$ref" in schema:
            schema = self._components[schema["$ref"].rpartition("/")[2]]
        return schema["properties"], set(schema.get("required", ()))


def _types_of(route: Route) -> Iterator[Any]:
    for kind in (route.body, route.query, *route.answers.values()):
        if kind is not None and not isinstance(kind, Media):
            yield kind


def _operation(route: Route, schema_of: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.name}".replace("-", "_"),
        "tags": [route.tag],
        "summary": route.summary,
    }
    if route.description:
        operation["description"] = inspect.cleandoc(route.description)
    if parameters := [*_path_parameters(route), *_query_parameters(route, schema_of)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body, schema_of)}
    operation["responses"] = {
        **{str(status): _answer(status, kind, schema_of) for status, kind in route.answers.items()},
        **{
            str(status): {"$ref": f"#/components/responses/{status}"}
            for status in route.all_errors
            if status not in route.answers
        },
    }
    if route.secured:
        operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
    return operation


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in route.parameters:
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route, schema_of: _Schemas) -> Iterator[dict[str, Any]]:
    if route.query is None:
        return
    properties, required = schema_of.properties(route.query)
    for name, schema in properties.items():
        shown = _without_null(schema)
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in required}
        if description := shown.pop("description", ""):
            parameter["description"] = description
        yield {**parameter, "schema": shown}


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A query parameter that may be left out is never null."""
    shown = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    choices = [choice for choice in shown.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **shown}
    return {**shown, "anyOf": choices} if choices else shown


def _content(kind: Any, schema_of: _Schemas) -> dict[str, Any]:
    if isinstance(kind, Media):
        return {name: {"schema": {"type": "string"}} for name in kind.types}
    return {"application/json": {"schema": schema_of(kind)}}


def _answer(status: int, kind: Any, schema_of: _Schemas) -> dict[str, Any]:
    described = kind.description if isinstance(kind, Media) else ""
    answer: dict[str, Any] = {"description": described or HTTPStatus(status).phrase}
    if kind is not None:
        answer["content"] = _content(kind, schema_of)
    return answer


def _statuses(routes: list[Route]) -> list[int]:
    return sorted({status for route in routes for status in route.all_errors})


def _error(status: int, schema_of: _Schemas) -> dict[str, Any]:
    headers: dict[str, Any] = {
        "X-Error-Code": {
            "required": True,
            "description": "The `code` of the body.",
            "schema": {"type": "string", "examples": [CODES.get(status, "REFUSED")]},
        }
    }
    if status in {429, 503}:
        headers["Retry-After"] = {
            "description": "Seconds after which it is worth another try.",
            "schema": {"type": "integer", "minimum": 1},
        }
    return {
        "description": HTTPStatus(status).phrase,
        "headers": headers,
        "content": {"application/json": {"schema": schema_of(Error)}},
    }
