from __future__ import annotations

import logging

import pytest

from builders_http import ALICE, KEY, OTHER_KEY, Keys, an_app

NO_KEY = {"error": "Authentication required", "code": "UNAUTHORIZED"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/things", {"X-API-Key": KEY}),
        ("/api/things", {"Authorization": f"Bearer {KEY}"}),
        ("/api/things", {"authorization": f"bearer  {KEY} "}),
        (f"/api/things?api_key={KEY}", {}),
    ],
)
async def test_a_key_is_taken_from_each_of_the_three_places(
    path: str, headers: dict[str, str]
) -> None:
    answer = await an_app().test_client().get(path, headers=headers)
    assert answer.status_code == 200
    assert (await answer.get_json())[0]["user"] == ALICE.name


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/things", {}),
        ("/api/things", {"X-API-Key": "sf_wrong"}),
        ("/api/things", {"X-API-Key": ""}),
        ("/api/things", {"X-API-Key": KEY.upper()}),
        ("/api/things", {"X-API-Key": KEY * 100}),
        ("/api/things", {"Authorization": KEY}),
        ("/api/things", {"Authorization": "Basic " + KEY}),
        ("/api/things", {"Authorization": "Bearer"}),
        ("/api/things?api_key=", {}),
        (f"/api/things?API_KEY={KEY}", {}),
        ("/api/nothing/here", {}),
        ("/api/", {}),
        ("/api", {}),
    ],
)
async def test_without_a_right_key_nothing_below_api_answers(
    path: str, headers: dict[str, str]
) -> None:
    answer = await an_app().test_client().get(path, headers=headers)
    assert answer.status_code == 401
    assert await answer.get_json() == NO_KEY
    assert answer.headers["X-Error-Code"] == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "query", "user"),
    [
        ({"X-API-Key": KEY, "Authorization": f"Bearer {OTHER_KEY}"}, OTHER_KEY, "alice"),
        ({"Authorization": f"Bearer {OTHER_KEY}"}, KEY, "bob"),
    ],
)
async def test_the_first_of_several_keys_counts(
    headers: dict[str, str], query: str, user: str
) -> None:
    answer = await an_app().test_client().get(f"/api/things?api_key={query}", headers=headers)
    assert (await answer.get_json())[0]["user"] == user


async def test_a_wrong_key_is_not_helped_by_a_right_one_further_down() -> None:
    headers = {"X-API-Key": "sf_wrong", "Authorization": f"Bearer {KEY}"}
    answer = await an_app().test_client().get("/api/things", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json", "/docs"])
async def test_probes_and_documentation_need_no_key(path: str) -> None:
    keys = Keys()
    assert (await an_app(store=keys).test_client().get(path)).status_code == 200
    assert keys.asked == 0


async def test_the_store_is_asked_once_per_request() -> None:
    keys = Keys()
    await an_app(store=keys).test_client().get("/api/things", headers={"X-API-Key": KEY})
    assert keys.asked == 1


async def test_a_key_appears_in_no_log_even_when_something_breaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Keys):
        async def user_of_key(self, key: str) -> None:
            raise RuntimeError("the store is gone")

    with caplog.at_level(logging.DEBUG):
        answer = await an_app(store=Broken()).test_client().get(f"/api/things?api_key={KEY}")
    assert answer.status_code == 500
    assert "the store is gone" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in (await answer.get_data(as_text=False)).decode()
