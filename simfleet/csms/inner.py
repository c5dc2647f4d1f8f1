"""The embedded CSMS in the event loop of the run itself, on a memory network: for virtual runs.

It is the same CSMS, asked in the same words as the child process (`control.py`), so whatever can be
asked of one can be asked of the other.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from trio.testing import memory_stream_one_way_pair

from simfleet.csms.access import OPEN, Access
from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.control import control
from simfleet.csms.embedded import EmbeddedCsms
from simfleet.csms.server import Csms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.memory import MemoryNetwork
    from simfleet.pki.authority import Authority

HOST = "embedded.invalid"
"""Nothing that could be dialled (RFC 2606 section 2)."""
PORT = 9000


class InnerCsms(EmbeddedCsms):
    """One in this event loop. `csms` is the thing itself."""

    def __init__(
        self, csms: Csms, requests: trio.abc.SendStream, answers: trio.abc.ReceiveStream
    ) -> None:
        super().__init__(requests, answers)
        self.csms = csms


@asynccontextmanager
async def inner_csms(
    network: MemoryNetwork,
    behaviour: Behaviour = GOOD,
    *,
    wall_s: float | None = None,
    access: Access = OPEN,
    authority: Authority | None = None,
) -> AsyncIterator[InnerCsms]:
    """Run a CSMS on a memory network as long as the block lasts. `wall_s` is the Unix time now."""
    csms = Csms(behaviour=behaviour, wall_s=wall_s, access=access, authority=authority)
    requests, heard = memory_stream_one_way_pair()
    said, answers = memory_stream_one_way_pair()
    inner = InnerCsms(csms, requests, answers)
    async with trio.open_nursery() as nursery:
        await nursery.start(csms.attend, network)
        nursery.start_soon(lambda: control(csms, heard, said, host=HOST, port=PORT))
        nursery.start_soon(inner._read_answers)
        await inner.wait_ready()
        try:
            yield inner
        finally:
            with trio.CancelScope(shield=True):
                await csms.stop()
            nursery.cancel_scope.cancel()
