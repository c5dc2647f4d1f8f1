"""`open_link`: the one door through which the rooms above open links to a CSMS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.link.address import endpoint_url
from simfleet.link.link import DEFAULT_OPTIONS, Leaving, Link, LinkOptions
from simfleet.link.websocket import connect

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def open_link(
    url: str,
    *,
    identity: str,
    subprotocol: str,
    options: LinkOptions = DEFAULT_OPTIONS,
) -> AbstractAsyncContextManager[Link]:
    """Open ``{url}/{identity}`` with the transport of `options`; a `Dialer`.

    Entering raises `ConnectFailed`. Leaving closes the link properly, at once when it is already
    closed, and drops it when the block is left by cancellation or a foreign error.
    """
    if options.transport == "trio-websocket":
        # Imported here, for only who asks for the second implementation pays for it.
        from simfleet.link.trio_websocket import open_trio_websocket

        return open_trio_websocket(url, identity=identity, subprotocol=subprotocol, options=options)
    return _Opened(url, identity, subprotocol, options)


class _Opened(Leaving):
    __slots__ = ("_wanted",)

    def __init__(self, url: str, identity: str, subprotocol: str, options: LinkOptions) -> None:
        self._wanted: tuple[str, str, str, LinkOptions] | None
        self._wanted = (url, identity, subprotocol, options)
        self._link = None

    async def __aenter__(self) -> Link:
        assert self._wanted is not None, "a link is opened once"
        (url, identity, subprotocol, options), self._wanted = self._wanted, None
        self._link = await connect(
            endpoint_url(url, identity),
            subprotocols=(subprotocol,),
            identity=identity,
            password=options.password,
            ssl_context=options.ssl_context,
            connect_timeout_s=options.connect_timeout_s,
            ping_interval_s=options.ping_interval_s,
            pong_timeout_s=options.pong_timeout_s,
            max_size_bytes=options.max_size_bytes,
            compression=options.compression,
            source_address=options.source_address,
            headers=options.headers,
        )
        return self._link
