"""QuartTrio, with two of its ways mended that no setting reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from simfleet.api import failures

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent
    from quart.typing import ResponseReturnValue
    from werkzeug.exceptions import HTTPException

__all__ = ["Api"]


class _Connection(TrioASGIHTTPConnection):
    """One request. The last part of its answer is always sent to the end."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Handle the request.

        On the last part, Hypercorn reports the end of the exchange, whereupon QuartTrio cancels
        the very task in which Hypercorn is still preparing the connection for the next request:
        its idle timer is never started, and a shutdown waits for the client in vain.
        """

        async def send_whole(message: ASGISendEvent) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            with trio.CancelScope(shield=last):
                await send(message)

        await super().__call__(receive, send_whole)


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
