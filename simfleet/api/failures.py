"""Errors become answers, all in one shape: ``{"error": text, "code": CODE}`` and `X-Error-Code`.

`STATUS_OF` is the only place where a type of error meets a status. What nobody expected is a 500
whose traceback goes to the log and never to the client.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from quart import request
from werkzeug.exceptions import HTTPException

from simfleet.api.bodies import json_response
from simfleet.api.limits import whole_seconds
from simfleet.api.routes import SlowAnswer
from simfleet.errors import (
    Invalid,
    Missing,
    PreflightFailed,
    QueueFull,
    Refused,
    ScenarioInvalid,
    SimFleetError,
    StoreFailed,
    TargetUnreachable,
    TooMany,
    Unauthorized,
    UsageWrong,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quart import Quart, Response

__all__ = ["CODES", "STATUS_OF", "install", "problem", "status_of"]

log = logging.getLogger("simfleet.api")

STATUS_OF: Mapping[type[SimFleetError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    ScenarioInvalid: HTTPStatus.BAD_REQUEST,
    UsageWrong: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Missing: HTTPStatus.NOT_FOUND,
    Refused: HTTPStatus.CONFLICT,
    PreflightFailed: HTTPStatus.CONFLICT,  # this machine cannot carry the load asked for
    TargetUnreachable: HTTPStatus.CONFLICT,  # the request is right, the CSMS is not there
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    SlowAnswer: HTTPStatus.SERVICE_UNAVAILABLE,
    # Any other should have been handled below: it is ours, and a 500.
    SimFleetError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
CODES: Mapping[int, str] = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""Of errors that HTTP knows and no type of ours stands for."""
HIDDEN: Final = "something went wrong inside SimFleet; its log has the details"
RETRY_UNAVAILABLE_S: Final = 1


def status_of(error: type[SimFleetError]) -> HTTPStatus:
    """The status that a type of error is answered with; the nearest base listed decides."""
    return next(STATUS_OF[base] for base in error.__mro__ if base in STATUS_OF)


def problem(
    text: str, code: str, status: int, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer for an error."""
    response = json_response({"error": text, "code": code}, status)
    response.headers["X-Error-Code"] = code
    response.headers.update(headers or {})
    return response


def install(app: Quart) -> None:
    """Answer every error of `app` as this module says."""
    # All of them asynchronous: quart runs any other function in a thread.
    app.register_error_handler(SimFleetError, explain)
    app.register_error_handler(HTTPException, explain_http)
    app.register_error_handler(Exception, explain_bug)


async def explain(error: SimFleetError) -> Response:
    """An error that SimFleet raised on purpose."""
    status = status_of(type(error))
    headers: dict[str, str] = {}
    match status:
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return await explain_bug(error)
        case HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="simfleet"'
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            wait_s = error.retry_after_s if isinstance(error, TooMany) else RETRY_UNAVAILABLE_S
            headers["Retry-After"] = str(whole_seconds(wait_s))
    return problem(str(error), error.code, status, headers=headers)


async def explain_http(error: HTTPException) -> Response:
    """An error that HTTP knows: no such path, no such method, too large, ..."""
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in {"Allow"}}
    match status:
        case 404:
            text = f"there is nothing at {request.path}"
        case 405:
            text = f"{request.method} is not possible here; {headers.get('Allow', 'nothing')} is"
        case 413:
            text = f"the body is over {request.max_content_length} bytes"
        case 500:
            text = HIDDEN
        case _:
            text = error.description or error.name
    code = CODES.get(status, error.name.upper().replace(" ", "_"))
    return problem(text, code, status, headers=headers)


async def explain_group(group: ExceptionGroup[Exception]) -> Response:
    """Errors out of a nursery: the worst of them, if all were raised on purpose."""
    leaves = list(_leaves(group))
    if all(isinstance(leaf, SimFleetError) for leaf in leaves):
        worst = max(leaves, key=lambda leaf: status_of(cast("type[SimFleetError]", type(leaf))))
        return await explain(cast("SimFleetError", worst))
    return await explain_bug(group)


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def explain_bug(error: Exception) -> Response:
    """Anything else: a bug of ours. The path is logged without its query, which may hold a key."""
    log.error("bug, in %s %s", request.method, request.path, exc_info=error)
    return problem(HIDDEN, CODES[500], 500)
