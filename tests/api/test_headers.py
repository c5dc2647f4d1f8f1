from __future__ import annotations

from typing import Any

import pytest

from builders_http import KEY, WITH_KEY, an_app
from simfleet.settings import Settings

PAGE = "https://dash.example"


def app_for(*origins: str) -> Any:
    settings = Settings(requests_per_s=0, requests_per_s_per_ip=0, cors_origins=origins)
    return an_app(settings=settings).test_client()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/things", WITH_KEY),
        ("/api/things", {}),
        ("/nothing", {}),
        ("/health", {}),
        ("/openapi.json", {}),
    ],
)
async def test_every_answer_carries_the_security_headers(
    path: str, headers: dict[str, str]
) -> None:
    found = (await an_app().test_client().get(path, headers=headers)).headers
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["X-Frame-Options"] == "DENY"
    assert found["Referrer-Policy"] == "no-referrer"
    assert found["Cache-Control"] == "no-store"
    assert found["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in found
    assert "Strict-Transport-Security" not in found  # we speak no TLS; the proxy that does says it


@pytest.mark.parametrize("origins", [(PAGE,), ("https://other.example", PAGE)])
async def test_an_allowed_origin_may_read_answers(origins: tuple[str, ...]) -> None:
    client = app_for(*origins)
    answer = await client.get("/api/things", headers={**WITH_KEY, "Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "X-Error-Code" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_errors_can_be_read_by_an_allowed_origin_as_well() -> None:
    answer = await app_for(PAGE).get("/api/things", headers={"Origin": PAGE})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("origin", ["https://evil.example", "https://dash.example.evil", "null"])
async def test_another_origin_gets_no_permission(origin: str) -> None:
    client = app_for(PAGE)
    answer = await client.get("/api/things", headers={**WITH_KEY, "Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


async def test_a_preflight_needs_no_key() -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = await app_for(PAGE).options("/api/things/1", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("origins", [(), ("https://other.example",)])
async def test_a_preflight_of_others_is_refused_like_any_request(origins: tuple[str, ...]) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = await app_for(*origins).options("/api/things/1", headers=headers)
    assert answer.status_code == 401
    assert "Access-Control-Allow-Methods" not in answer.headers


async def test_a_star_allows_every_origin() -> None:
    answer = await app_for("*").get(f"/api/things?api_key={KEY}", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
