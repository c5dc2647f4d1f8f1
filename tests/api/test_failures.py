from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
import trio
import trio.lowlevel
from quart import Blueprint

from builders_http import KEY, WITH_KEY, Wish, an_app
from simfleet import errors
from simfleet.api import routes
from simfleet.api.failures import STATUS_OF, status_of
from simfleet.api.routes import route
from simfleet.errors import Missing, QueueFull, Refused, SimFleetError, TooMany

JSON = {**WITH_KEY, "Content-Type": "application/json"}


def raising(error: Exception, method: str = "GET") -> Blueprint:
    """A resource whose only handler fails."""
    blueprint = Blueprint("raising", __name__)

    @route(blueprint, method, "/api/raising", summary="Fail", answers={200: dict[str, str]})
    async def fail() -> dict[str, str]:
        raise error

    return blueprint


async def ask(path: str, *blueprints: Blueprint, method: str = "GET", **given: Any) -> Any:
    headers = given.pop("headers", WITH_KEY)
    client = an_app(*blueprints).test_client()
    return await client.open(path, method=method, headers=headers, **given)


class ChargerMissing(Missing):
    code = "CHARGER_NOT_FOUND"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ChargerMissing("no charger is called 'X'"), 404, "CHARGER_NOT_FOUND"),
        (Refused("charging"), 409, "REFUSED"),
        (errors.Invalid("num_connectors is 6"), 400, "VALIDATION_ERROR"),
        (errors.ScenarioInvalid(["a", "b"]), 400, "SCENARIO_INVALID"),
        (errors.StoreFailed("disk full", full=True), 503, "STORE_FAILED"),
        (QueueFull("mailbox", 64), 503, "QUEUE_FULL"),
    ],
)
async def test_an_error_raised_on_purpose_is_told(
    error: SimFleetError, status: int, code: str
) -> None:
    answer = await ask("/api/raising", raising(error))
    assert answer.status_code == status
    assert await answer.get_json() == {"error": str(error), "code": code}
    assert answer.headers["X-Error-Code"] == code
    assert answer.content_type == "application/json"


@pytest.mark.parametrize(("wait_s", "shown"), [(0.2, "1"), (1.0, "1"), (1.01, "2"), (30.0, "30")])
async def test_too_many_says_when_to_come_again_in_whole_seconds(wait_s: float, shown: str) -> None:
    answer = await ask("/api/raising", raising(TooMany("slow down", retry_after_s=wait_s)))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == shown


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "NOT_FOUND"),
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/api/things/", 404, "NOT_FOUND"),
        ("GET", "/api//things", 404, "NOT_FOUND"),
        ("GET", "/api/things/a%2Fb", 404, "NOT_FOUND"),
        ("PATCH", "/api/things", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/api/things", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/things/1", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_http_refuses_is_json_too(
    method: str, path: str, status: int, code: str
) -> None:
    answer = await ask(path, method=method)
    assert answer.status_code == status
    assert answer.headers["X-Error-Code"] == code
    body = await answer.get_json()
    assert set(body) == {"error", "code"}
    assert body["code"] == code


async def test_a_wrong_method_is_told_the_right_ones() -> None:
    answer = await ask("/api/things/1", method="PUT")
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"DELETE", "POST"}


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (b"", "INVALID_JSON", "the body is not JSON"),
        (b"{", "INVALID_JSON", "the body is not JSON"),
        (b'{"name": "\xff"}', "INVALID_JSON", "the body is not JSON"),
        (b"[" * 100_000, "VALIDATION_ERROR", "expected object, got array"),
        (b"null", "VALIDATION_ERROR", "expected object, got null"),
        (b"{}", "VALIDATION_ERROR", "there is no required field name"),
        (b'{"name": 1}', "VALIDATION_ERROR", "expected str, got int - at name"),
        (b'{"name": "a", "count": "2"}', "VALIDATION_ERROR", "expected int, got str - at count"),
        (b'{"name": "a", "count": 1.5}', "VALIDATION_ERROR", "expected int, got float - at count"),
        (b'{"name": "a", "cuont": 2}', "VALIDATION_ERROR", "unknown field cuont"),
    ],
)
async def test_a_body_that_is_not_what_it_should_be_is_told_what_is_wrong(
    content: bytes, code: str, text: str
) -> None:
    answer = await ask("/api/things/1", method="POST", headers=JSON, data=content)
    assert answer.status_code == 400
    body = await answer.get_json()
    assert body["code"] == code
    assert text in body["error"]


async def test_json_nested_without_end_is_refused_where_anything_is_accepted() -> None:
    blueprint = Blueprint("anything", __name__)

    @route(blueprint, "POST", "/api/anything", summary="Any", body=object, answers={200: object})
    async def anything(body: object) -> object:
        return body

    answer = await ask("/api/anything", blueprint, method="POST", headers=JSON, data=b"[" * 100_000)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (400, "INVALID_JSON")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", None]
)
async def test_a_body_must_say_that_it_is_json(media_type: str | None) -> None:
    headers = WITH_KEY if media_type is None else {**WITH_KEY, "Content-Type": media_type}
    answer = await ask("/api/things/1", method="POST", headers=headers, data=b'{"name": "a"}')
    assert answer.status_code == 415
    assert "send Content-Type: application/json" in (await answer.get_json())["error"]


async def test_a_charset_beside_the_media_type_is_fine() -> None:
    headers = {**WITH_KEY, "Content-Type": "application/json; charset=utf-8"}
    answer = await ask("/api/things/1", method="POST", headers=headers, data=b'{"name": "a"}')
    assert answer.status_code == 201
    assert await answer.get_json() == {"user": "alice", "name": "1/a", "count": 1}


async def test_a_body_over_one_mebibyte_is_refused() -> None:
    small = b'{"name": "%s"}' % (b"x" * (1024 * 1024 - 12))
    assert len(small) == 1024 * 1024
    kept = await ask("/api/things/1", method="POST", headers=JSON, data=small)
    assert kept.status_code == 201
    answer = await ask("/api/things/1", method="POST", headers=JSON, data=small + b" ")
    assert answer.status_code == 413
    assert (await answer.get_json())["error"] == "the body is over 1048576 bytes"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=ten", "query: expected int"),
        ("limit=1.5", "query: expected int"),
        ("limit=", "query: expected int"),
        ("least=null", "query: 'null' is no value of least; leave it out instead"),
    ],
)
async def test_a_wrong_query_is_refused(query: str, text: str) -> None:
    answer = await ask(f"/api/things?{query}")
    assert answer.status_code == 400
    assert (await answer.get_json())["error"].startswith(text)


async def test_a_query_is_read_by_type_and_what_it_has_besides_is_let_be() -> None:
    answer = await ask(f"/api/things?limit=5&name=7&_=1700000000&api_key={KEY}&limit=9")
    assert await answer.get_json() == [{"user": "alice", "name": "7", "count": 5}]
    answer = await ask("/api/things?name=null")
    assert (await answer.get_json())[0]["name"] == "null"


async def test_an_answer_without_content_has_none() -> None:
    answer = await ask("/api/things/1", method="DELETE")
    assert (answer.status_code, await answer.get_data()) == (204, b"")


# ── bugs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("secret detail"),
        SimFleetError("secret detail"),
        errors.LinkError("secret detail"),
        ExceptionGroup("group", [ValueError("secret detail")]),
        KeyError("secret detail"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_traceback_of_a_bug_goes_to_the_log_and_not_to_the_client(
    error: Exception, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await ask(
            f"/api/raising?api_key={KEY}", raising(error, method), method=method, headers={}
        )
    assert answer.status_code == 500
    assert answer.headers["X-Error-Code"] == "INTERNAL"
    body = (await answer.get_data()).decode()
    assert "secret" not in body
    assert "Traceback" not in body
    assert "secret detail" in caplog.text
    assert "Traceback" in caplog.text
    assert f"{method} /api/raising" in caplog.text
    assert KEY not in caplog.text


async def test_an_error_raised_in_a_nursery_is_told_like_any_other() -> None:
    answer = await ask("/api/raising", raising(ExceptionGroup("in a task", [Refused("charging")])))
    assert answer.status_code == 409


async def test_an_expected_error_does_not_hide_a_bug_beside_it() -> None:
    group = ExceptionGroup("in tasks", [Refused("charging"), ZeroDivisionError("bug")])
    answer = await ask("/api/raising", raising(group))
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (500, "INTERNAL")


def test_every_error_has_a_status_and_only_ours_to_mend_are_500() -> None:
    every = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, SimFleetError)
    ]
    internal = {
        kind.__name__ for kind in every if status_of(kind) is HTTPStatus.INTERNAL_SERVER_ERROR
    }
    # Nobody who asks over HTTP can cause these: they are handled far below, or bugs.
    assert internal == {
        *("SimFleetError", "LinkError", "ConnectFailed", "LinkClosed", "ProtocolViolation"),
    }
    assert set(STATUS_OF) - set(every) == {routes.SlowAnswer}


# ── handlers ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_that_hangs_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    blueprint = Blueprint("hanging", __name__)

    @route(blueprint, "POST", "/api/hanging", summary="Hang", answers={200: dict[str, str]})
    async def hang() -> dict[str, str]:
        await trio.sleep_forever()
        raise AssertionError

    began_s = trio.current_time()
    answer = await ask("/api/hanging", blueprint, method="POST")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (503, "TIMED_OUT")
    assert trio.current_time() - began_s == routes.CHANGE_TIMEOUT_S


async def test_a_handler_may_choose_its_status() -> None:
    blueprint = Blueprint("choosing", __name__)

    @route(blueprint, "PUT", "/api/choosing", summary="Put", answers={200: int, 201: int})
    async def put() -> tuple[int, int]:
        return 7, 201

    answer = await ask("/api/choosing", blueprint, method="PUT")
    assert (answer.status_code, await answer.get_json()) == (201, 7)


def test_a_body_that_would_swallow_misspelt_fields_is_no_body_of_a_route() -> None:
    class Lax(msgspec.Struct):
        name: str

    register = route(
        Blueprint("x", __name__), "POST", "/api/x", summary="", body=Lax, answers={200: Wish}
    )
    with pytest.raises(TypeError, match="Lax must forbid unknown fields"):
        register(ask)
