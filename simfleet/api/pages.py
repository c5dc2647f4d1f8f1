"""/openapi.json, and the page that shows it: /docs needs nothing but this service."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from quart import Blueprint, Response, current_app

from simfleet.api.bodies import Media
from simfleet.api.headers import PAGE_POLICY
from simfleet.api.openapi import describe, routes_of
from simfleet.api.routes import route

__all__ = ["pages"]

pages = Blueprint("pages", __name__)

DOCUMENT: Final = "simfleet.openapi"
"""Where the app keeps the document; its routes do not change once it serves."""


@cache
def _asset(name: str) -> bytes:
    return files("simfleet.api").joinpath("static", name).read_bytes()


def _page(name: str, content_type: str) -> Response:
    policy = {"Content-Security-Policy": PAGE_POLICY}
    return Response(_asset(name), content_type=f"{content_type}; charset=utf-8", headers=policy)


@route(
    pages,
    "GET",
    "/openapi.json",
    summary="This document: the whole API as OpenAPI 3.1",
    answers={200: Media(("application/json",), "an OpenAPI 3.1 document")},
)
async def openapi() -> Response:
    app = current_app
    document: bytes | None = app.extensions.get(DOCUMENT)
    if document is None:
        document = msgspec.json.encode(describe(routes_of(app)))
        app.extensions[DOCUMENT] = document
    return Response(document, content_type="application/json")


@route(pages, "GET", "/", summary="To /docs", answers={302: None})
async def front() -> Response:
    return Response(b"", status=302, headers={"Location": "/docs"})


@route(
    pages,
    "GET",
    "/docs",
    summary="The API reference, for people",
    answers={200: Media(("text/html",), "a page")},
)
async def docs() -> Response:
    return _page("docs.html", "text/html")


@route(
    pages,
    "GET",
    "/docs/docs.js",
    summary="Part of /docs",
    answers={200: Media(("text/javascript",), "a script")},
)
async def docs_script() -> Response:
    return _page("docs.js", "text/javascript")


@route(
    pages,
    "GET",
    "/docs/docs.css",
    summary="Part of /docs",
    answers={200: Media(("text/css",), "a style sheet")},
)
async def docs_style() -> Response:
    return _page("docs.css", "text/css")
