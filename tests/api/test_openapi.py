from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from quart import Blueprint

from builders_http import Granted, Paging, Wish, an_app, some_services
from simfleet.api.app import create_app
from simfleet.api.bodies import Media
from simfleet.api.openapi import describe, routes_of
from simfleet.api.routes import EVENTS, route


async def document() -> Any:
    """That of a small API."""
    return await (await an_app().test_client().get("/openapi.json")).get_json()


async def whole_document() -> Any:
    """That of the API that is served."""
    app = create_app(some_services())
    return await (await app.test_client().get("/openapi.json")).get_json()


def operations(api: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


async def test_every_route_is_described_and_nothing_else() -> None:
    app = an_app()
    api = await document()
    described = {(method.upper(), path) for method, path, _ in operations(api)}
    registered = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert described == registered
    assert ("POST", "/api/things/{thing_id}") in described


async def test_every_reference_leads_somewhere() -> None:
    api = await whole_document()
    for reference in references(api):
        node = api
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


async def test_every_operation_is_named_and_summed_up() -> None:
    for method, path, operation in operations(await whole_document()):
        assert operation["summary"], (method, path)
        assert operation["tags"], (method, path)


async def test_every_schema_is_a_json_schema() -> None:
    api = await whole_document()
    for schema in api["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_names_of_operations_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in operations(await whole_document())]
    assert len(names) == len(set(names))


async def test_a_body_is_described_by_the_type_that_decodes_it() -> None:
    api = await document()
    wish = api["paths"]["/api/things/{thing_id}"]["post"]
    content = wish["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Wish"}
    described = api["components"]["schemas"]["Wish"]
    assert described["required"] == ["name"]
    assert described["additionalProperties"] is False
    assert described["properties"]["count"] == {"type": "integer", "default": 1}


async def test_a_list_of_structs_is_a_list_and_not_its_item() -> None:
    answer = (await document())["paths"]["/api/things"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Granted"},
    }


async def test_parameters_are_those_of_the_path_and_of_the_query() -> None:
    paths = (await document())["paths"]
    assert paths["/api/things/{thing_id}"]["delete"]["parameters"] == [
        {
            "name": "thing_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
    ]
    assert paths["/api/things"]["get"]["parameters"] == [
        {
            "name": "limit",
            "in": "query",
            "required": False,
            "schema": {"type": "integer", "default": 200},
        },
        {"name": "name", "in": "query", "required": False, "schema": {"type": "string"}},
        {"name": "least", "in": "query", "required": False, "schema": {"type": "integer"}},
    ]


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/api/things", {200, 400, 401, 429, 500, 503}),
        (
            "post",
            "/api/things/{thing_id}",
            {201, 400, 401, 404, 408, 409, 413, 415, 429, 500, 503},
        ),
        ("delete", "/api/things/{thing_id}", {204, 401, 404, 429, 500, 503}),
        ("get", "/health", {200, 429, 500, 503}),
    ],
)
async def test_every_status_that_can_come_is_named(
    method: str, path: str, statuses: set[int]
) -> None:
    responses = (await document())["paths"][path][method]["responses"]
    assert {int(status) for status in responses} == statuses


async def test_errors_have_one_shape_everywhere() -> None:
    components = (await document())["components"]
    assert set(components["schemas"]["Error"]["required"]) == {"error", "code"}
    for response in components["responses"].values():
        schema = response["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}
        assert "X-Error-Code" in response["headers"]
    assert "Retry-After" in components["responses"]["429"]["headers"]


async def test_what_is_below_api_needs_a_key_in_one_of_three_ways_and_the_rest_none() -> None:
    api = await whole_document()
    schemes = api["components"]["securitySchemes"]
    ways: list[dict[str, list[str]]] = [{name: []} for name in schemes]
    assert [(way["type"], way.get("in"), way.get("name")) for way in schemes.values()] == [
        ("apiKey", "header", "X-API-Key"),
        ("http", None, None),
        ("apiKey", "query", "api_key"),
    ]
    for _, path, operation in operations(api):
        assert operation.get("security", []) == (ways if path.startswith("/api/") else [])


async def test_unions_streams_and_other_media_are_described() -> None:
    blueprint = Blueprint("more", __name__)

    @route(
        blueprint,
        "POST",
        "/api/more",
        summary="More",
        description="""
            Two lines,
            indented in the source.
        """,
        body=Media(("application/yaml", "application/json"), "a scenario"),
        answers={200: Wish | list[Paging] | None, 202: EVENTS},
    )
    async def more(body: object) -> None:
        del body

    api = describe(routes_of(an_app(blueprint)))
    post = json.loads(json.dumps(api))["paths"]["/api/more"]["post"]
    assert post["description"] == "Two lines,\nindented in the source."
    assert set(post["requestBody"]["content"]) == {"application/yaml", "application/json"}
    union = post["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert {"$ref": "#/components/schemas/Wish"} in union
    assert {"type": "null"} in union
    assert "text/event-stream" in post["responses"]["202"]["content"]


async def test_answers_are_what_the_document_says() -> None:
    api = await document()
    given = {"$ref": "#/components/schemas/Granted", "components": api["components"]}
    answer = {"user": "alice", "name": "a", "count": 1}
    assert Draft202012Validator(given).is_valid(answer)
    assert not Draft202012Validator(given).is_valid({**answer, "count": "1"})
    assert set(api["components"]["schemas"]["Granted"]["required"]) == set(Granted.__annotations__)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_front_door_leads_to_the_documentation() -> None:
    answer = await an_app().test_client().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
    ],
)
async def test_the_documentation_needs_nothing_from_elsewhere(path: str, content_type: str) -> None:
    answer = await an_app().test_client().get(path)
    assert (answer.status_code, answer.content_type) == (200, content_type)
    text = (await answer.get_data(as_text=False)).decode()
    assert "://" not in text
    assert "innerHTML" not in text
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "<script>" not in text
    assert "style=" not in text
