"""The route table: one decorator that registers a handler and describes it, from the same types.

    @route(chargers, "POST", "/api/chargers/{chargepoint_id}/mode", summary="Set the mode",
           body=NewMode, answers={200: ChargerState}, errors=(409,))
    async def set_mode(chargepoint_id: str, body: NewMode) -> ChargerState:
        charger = services().registry.find((await current_user()).id, chargepoint_id)
        ...

The handler gets the parameters of the path, and `body` and `query` where the route has them, by
name. It returns the answer (the first status of `answers`), or ``(answer, status)``, or a Response.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from quart import Response

from simfleet.api.auth import SECURED_PREFIX
from simfleet.api.bodies import (
    Media,
    json_response,
    raw_body,
)
from simfleet.api.bodies import (
    body as read_body,
)
from simfleet.api.bodies import (
    query as read_query,
)
from simfleet.errors import SimFleetError

if TYPE_CHECKING:
    from quart import Blueprint

__all__ = ["EVENTS", "Handler", "Route", "SlowAnswer", "route", "route_of"]

Handler = Callable[..., Awaitable[Any]]
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
CHANGE_TIMEOUT_S: Final = 10.0
"""For a handler that changes something; also the longest that one can hold up a shutdown."""
EVENTS: Final = Media(("text/event-stream",), "server-sent events")
"""The answer of a route that streams."""


class SlowAnswer(SimFleetError):
    """A change took longer than `CHANGE_TIMEOUT_S`; it may be done in part."""

    code = "TIMED_OUT"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know about one route; `openapi` shows it.

    `body` is a type for JSON, or a `Media`; `answers` maps a status to a type, a `Media`, or None
    for an answer without content. `errors` are the statuses of its own; those that every such
    route can have (401, 413, ...) are added, see `all_errors`.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    description: str = ""
    body: Any = None
    query: Any = None
    answers: Mapping[int, Any]
    errors: tuple[int, ...] = ()

    @property
    def secured(self) -> bool:
        """Whether it needs a key."""
        return self.path.startswith(SECURED_PREFIX)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in its path."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def all_errors(self) -> tuple[int, ...]:
        """Every error status it can answer with, in order."""
        found = {*self.errors, 429, 500}
        if self.secured:
            found |= {401, 503}  # the store may be out of order when it is asked for the key
        if self.parameters:
            found.add(404)
        if self.query is not None:
            found.add(400)
        if self.body is not None:
            found |= {400, 408, 413, 415}
        return tuple(sorted(found))


_ROUTE_OF: dict[Handler, Route] = {}


def route_of(view: Handler) -> Route | None:
    """The description of a view function that `route` registered."""
    return _ROUTE_OF.get(view)


def route(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    summary: str,
    answers: Mapping[int, Any],
    body: Any = None,
    query: Any = None,
    errors: tuple[int, ...] = (),
    description: str = "",
) -> Callable[[Handler], Handler]:
    """Register the decorated handler for `method` at `path` (``/api/chargers/{chargepoint_id}``).

    Types of bodies must forbid unknown fields: a misspelt field is an error, not a surprise.
    """

    def register(handler: Handler) -> Handler:
        _check_strict(body)
        known = Route(
            method=method,
            path=path,
            name=handler.__name__,
            tag=blueprint.name,
            summary=summary,
            description=description,
            body=body,
            query=query,
            answers=dict(answers),
            errors=errors,
        )
        view = _view(known, handler)
        _ROUTE_OF[view] = known
        blueprint.add_url_rule(
            _PARAMETER.sub(r"<\1>", path),
            endpoint=handler.__name__,
            view_func=view,
            methods=[method],
            provide_automatic_options=False,
        )
        return handler

    return register


def _view(known: Route, handler: Handler) -> Handler:
    status = next(iter(known.answers))

    @wraps(handler)
    async def view(**arguments: Any) -> Response:
        if known.query is not None:
            arguments["query"] = read_query(known.query)
        if isinstance(known.body, Media):
            arguments["body"] = await raw_body(known.body.types)
        elif known.body is not None:
            arguments["body"] = await read_body(known.body)
        answer = await (
            handler(**arguments) if known.method == "GET" else _whole(handler, arguments)
        )
        if isinstance(answer, Response):
            return answer
        answer, answered = answer if isinstance(answer, tuple) else (answer, status)
        if known.answers.get(answered) is None and answer is None:
            return Response(b"", status=answered)
        return json_response(answer, answered)

    return view


async def _whole(handler: Handler, arguments: dict[str, Any]) -> Any:
    """Run a handler that changes something to its end, even if the client goes away meanwhile.

    Quart cancels the handler of a client that is gone; half a change would be left.
    """
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CHANGE_TIMEOUT_S):
        return await handler(**arguments)
    raise SlowAnswer(f"not done within {CHANGE_TIMEOUT_S:g} s; look before you repeat it")


def _check_strict(body: Any) -> None:
    if (
        isinstance(body, type)
        and issubclass(body, msgspec.Struct)
        and not body.__struct_config__.forbid_unknown_fields
    ):
        raise TypeError(f"{body.__name__} must forbid unknown fields to be the body of a route")
