"""QuartTrio, with three of its ways mended that no setting reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from simfleet.api import failures

if TYPE_CHECKING:
    from hypercorn.typing import (
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        ASGISendEvent,
    )
    from quart.typing import ResponseReturnValue
    from werkzeug.exceptions import HTTPException

__all__ = ["Api"]


LINGER_S: Final = 2.0
"""How long the rest of a body that nobody wants is taken in before the answer goes out."""


class _Connection(TrioASGIHTTPConnection):
    """One request: its body is taken in before it is answered, its answer sent to the end."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Handle the request.

        An answer before the end of the body (401, 413, 415 ...) would close the connection with
        data unread, and the kernel then resets it: the client sees that instead of the answer.
        What comes is dropped once it is over the limit.

        On the last part of the answer, Hypercorn reports the end of the exchange, whereupon
        QuartTrio cancels the very task in which Hypercorn is still preparing the connection for
        the next request: its idle timer is never started, and a shutdown waits for the client in
        vain.
        """
        taken_in = trio.Event()

        async def receive_noting() -> ASGIReceiveEvent:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                taken_in.set()
            return message

        async def send_whole(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and not taken_in.is_set():
                with trio.move_on_after(LINGER_S):
                    await taken_in.wait()
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            with trio.CancelScope(shield=last):
                await send(message)

        await super().__call__(receive_noting, send_whole)


class Api(QuartTrio):
    """The application; see the module."""

    asgi_http_class = _Connection

    async def handle_user_exception(
        self, error: Exception | BaseExceptionGroup[BaseException]
    ) -> HTTPException | ResponseReturnValue:
        """Answer for a group what `failures.explain_group` says.

        QuartTrio answers for whichever part it finds a handler for first: a 409 beside a bug would
        hide the bug.
        """
        if isinstance(error, ExceptionGroup):
            return await failures.explain_group(error)
        return await super().handle_user_exception(error)
