"""What chargers send the shell out for: files to and from servers, and new keys.

A few at a time, the rest waits in order; beyond what may wait, an errand fails at once and says so.
The end of each is posted to the charger that wants it, until its mailbox takes it; a charger that
goes takes its errands with it, and no errand outlives `run`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import trio
from msgspec import Struct

from simfleet.station.effects import Download, MakeCertificateRequest, Upload
from simfleet.station.events import ErrandDone
from simfleet.transfer import TransferFailed, download, upload

if TYPE_CHECKING:
    import ssl

    from simfleet.station.events import Event

AT_ONCE_MAX: Final = 16
"""Uploads and requests that are carried out at the same time, each in a worker thread."""
DOWNLOADS_AT_ONCE_MAX: Final = 4
"""Downloads at the same time: each may hold `DOWNLOAD_MAX_BYTES` in memory."""
WAITING_MAX: Final = 10_000
"""Errands under way and waiting; a further one fails at once."""
DOWNLOAD_MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest firmware file."""
TIMEOUT_S: Final = 60.0
"""How long a transfer may take once its turn has come."""
POST_AGAIN_S: Final = 0.1
"""Pause before a full mailbox is tried again."""
BUSY: Final = "busy"
NO_SERVICE: Final = "no_service"
FAILED: Final = "failed"
"""Kinds of failure beside those of `transfer.Kind`."""

Errand = Upload | Download | MakeCertificateRequest


class Sender(Protocol):
    """Who wants an errand done: a `Charger`."""

    def post(self, mail: Event, /) -> bool:
        """Take an event; False: not just now."""


class _Going(Struct, eq=False):
    """One errand that waits or is under way; `scope` ends it."""

    sender: Sender
    errand: Errand
    scope: trio.CancelScope


class _Lane:
    """Errands that wait for one another: so many at once, the rest in order."""

    __slots__ = ("free", "waiting")

    def __init__(self, at_once_max: int) -> None:
        self.free = at_once_max
        self.waiting: deque[_Going] = deque()


class Errands:
    """See the module. `take` and `cancel` are for the charger's task, and do not wait."""

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        at_once_max: int = AT_ONCE_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """`ssl_context` says whom ``https`` and ``ftps`` trust; None: the system's authorities."""
        self._ssl_context = ssl_context
        self._timeout_s = timeout_s
        self._waiting_max = waiting_max
        self._nursery: trio.Nursery | None = None
        self._known: dict[Sender, dict[int, _Going]] = {}
        self._lanes = (_Lane(at_once_max), _Lane(min(DOWNLOADS_AT_ONCE_MAX, at_once_max)))
        self.count = 0
        """Errands under way and waiting."""
        self.done = 0
        self.failed = 0
        """Errands that ended since the beginning, well or not; those cancelled are neither."""
        self.busy = 0
        """Of the failed, those for which there was no room."""
        self.posted_again = 0
        """How often a mailbox was full."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out errands until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for lane in self._lanes:
                for going in lane.waiting:
                    self._over(going)
                lane.waiting.clear()

    def take(self, sender: Sender, errand: Errand) -> None:
        """Carry out an errand; `ErrandDone` is posted to `sender` unless it is cancelled."""
        if self._nursery is None:
            self._refuse(sender, errand, NO_SERVICE, "nobody runs errands for this charger")
        elif self.count >= self._waiting_max:
            self.busy += 1
            self._refuse(sender, errand, BUSY, f"{self._waiting_max} errands are waiting already")
        else:
            lane = self._lanes[isinstance(errand, Download)]
            lane.waiting.append(self._note(sender, errand))
            self._fill(lane)

    def cancel(self, sender: Sender, number: int) -> None:
        """Give an errand up; nothing is posted for it any more."""
        going = self._known.get(sender, {}).get(number)
        if going is not None:
            self._give_up(going)

    def forget(self, sender: Sender) -> None:
        """The charger has gone: give up all its errands."""
        for going in tuple(self._known.get(sender, {}).values()):
            self._give_up(going)

    def _give_up(self, going: _Going) -> None:
        going.scope.cancel()
        for lane in self._lanes:
            if going in lane.waiting:
                lane.waiting.remove(going)
                self._over(going)

    def _refuse(self, sender: Sender, errand: Errand, kind: str, detail: str) -> None:
        self.failed += 1
        done = ErrandDone(errand.errand, False, detail, kind=kind)
        if not sender.post(done) and self._nursery is not None:
            self._nursery.start_soon(self._tell, self._note(sender, errand), done)

    def _note(self, sender: Sender, errand: Errand) -> _Going:
        going = _Going(sender, errand, trio.CancelScope())
        self._known.setdefault(sender, {})[errand.errand] = going
        self.count += 1
        return going

    def _over(self, going: _Going) -> None:
        self.count -= 1
        known = self._known[going.sender]
        if known.get(going.errand.errand) is going:
            del known[going.errand.errand]
        if not known:
            del self._known[going.sender]

    def _fill(self, lane: _Lane) -> None:
        """Begin as many as may go on at once, the oldest first."""
        while lane.free and lane.waiting and self._nursery is not None:
            lane.free -= 1
            going = lane.waiting.popleft()
            self._nursery.start_soon(self._carry_out, going, lane, name="errand")

    async def _carry_out(self, going: _Going, lane: _Lane) -> None:
        try:
            with going.scope:
                try:
                    done = await self._attempt(going.errand)
                    self.done += done.ok
                    self.failed += not done.ok
                finally:
                    lane.free += 1
                    self._fill(lane)
                await self._post(going, done)
        finally:
            self._over(going)

    async def _tell(self, going: _Going, done: ErrandDone) -> None:
        try:
            with going.scope:
                await self._post(going, done)
        finally:
            self._over(going)

    async def _post(self, going: _Going, done: ErrandDone) -> None:
        """Post the end of an errand, however long the mailbox is full."""
        while not going.sender.post(done):
            self.posted_again += 1
            await trio.sleep(POST_AGAIN_S)

    async def _attempt(self, errand: Errand) -> ErrandDone:
        """Do it. What goes wrong, a bug of ours included, is the errand's failure: it takes no
        other errand down with it.
        """
        number = errand.errand
        try:
            match errand:
                case Upload(_, url, file_name, content):
                    await upload(
                        url,
                        file_name,
                        content,
                        timeout_s=self._timeout_s,
                        ssl_context=self._ssl_context,
                    )
                    return ErrandDone(number, True)
                case Download(_, url):
                    file = await download(
                        url,
                        size_max_bytes=DOWNLOAD_MAX_BYTES,
                        timeout_s=self._timeout_s,
                        ssl_context=self._ssl_context,
                    )
                    return ErrandDone(number, True, content=file)
                case MakeCertificateRequest(_, common_name, organization):
                    csr_pem, key_pem = await _request(common_name, organization)
                    return ErrandDone(number, True, content=csr_pem, more=key_pem)
        except TransferFailed as failed:
            return ErrandDone(number, False, failed.detail, kind=failed.kind.value)
        except Exception as error:
            return ErrandDone(number, False, f"{type(error).__name__}: {error}", kind=FAILED)


async def _request(common_name: str, organization: str) -> tuple[bytes, bytes]:
    """A certificate request and its key; some milliseconds of arithmetic, so in a thread."""
    from simfleet.pki.requests import make_certificate_request  # a fleet without TLS never pays

    return await trio.to_thread.run_sync(make_certificate_request, common_name, organization)
