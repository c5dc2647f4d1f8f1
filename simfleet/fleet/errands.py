"""What chargers send the shell out for: files to and from servers, and new keys.

A few at a time, the rest waits in order; beyond what may wait, an errand fails at once and says so.
The end of each is posted to the charger that wants it, until its mailbox takes it; a charger that
goes takes its errands with it, and no errand outlives `run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import trio

from simfleet.station.effects import Download, MakeCertificateRequest, Upload
from simfleet.station.events import ErrandDone
from simfleet.transfer import TransferFailed, download, upload

if TYPE_CHECKING:
    import ssl

    from simfleet.station.events import Event

AT_ONCE_MAX: Final = 16
"""Errands that are carried out at the same time, each in a worker thread."""
DOWNLOADS_AT_ONCE_MAX: Final = 4
"""Of them, downloads: each may hold `DOWNLOAD_MAX_BYTES` in memory."""
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
        self._turns = trio.Semaphore(at_once_max)
        self._downloads = trio.Semaphore(min(DOWNLOADS_AT_ONCE_MAX, at_once_max))
        self._nursery: trio.Nursery | None = None
        self._going: dict[Sender, dict[int, trio.CancelScope]] = {}
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

    def take(self, sender: Sender, errand: Errand) -> None:
        """Carry out an errand; `ErrandDone` is posted to `sender` unless it is cancelled."""
        if self._nursery is None:
            self._refuse(sender, errand, NO_SERVICE, "nobody runs errands for this charger")
            return
        if self.count >= self._waiting_max:
            self.busy += 1
            self._refuse(sender, errand, BUSY, f"{self._waiting_max} errands are waiting already")
            return
        self._begin(sender, errand)

    def cancel(self, sender: Sender, number: int) -> None:
        """Give an errand up; nothing is posted for it any more."""
        scope = self._going.get(sender, {}).get(number)
        if scope is not None:
            scope.cancel()

    def forget(self, sender: Sender) -> None:
        """The charger has gone: give up all its errands."""
        for scope in tuple(self._going.get(sender, {}).values()):
            scope.cancel()

    def _refuse(self, sender: Sender, errand: Errand, kind: str, detail: str) -> None:
        self.failed += 1
        done = ErrandDone(errand.errand, False, detail, kind=kind)
        if not sender.post(done) and self._nursery is not None:
            self._begin(sender, errand, done)

    def _begin(self, sender: Sender, errand: Errand, done: ErrandDone | None = None) -> None:
        assert self._nursery is not None
        scope = trio.CancelScope()
        self._going.setdefault(sender, {})[errand.errand] = scope
        self.count += 1
        self._nursery.start_soon(self._carry_out, sender, errand, done, scope, name="errand")

    async def _carry_out(
        self, sender: Sender, errand: Errand, done: ErrandDone | None, scope: trio.CancelScope
    ) -> None:
        """Do an errand, unless it is `done` already, and tell its charger."""
        try:
            with scope:
                if done is None:
                    done = await self._in_turn(errand)
                    self.done += done.ok
                    self.failed += not done.ok
                await self._post(sender, done)
        finally:
            self.count -= 1
            going = self._going[sender]
            if going.get(errand.errand) is scope:
                del going[errand.errand]
            if not going:
                del self._going[sender]

    async def _in_turn(self, errand: Errand) -> ErrandDone:
        if isinstance(errand, Download):
            async with self._downloads, self._turns:
                return await self._attempt(errand)
        async with self._turns:
            return await self._attempt(errand)

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

    async def _post(self, sender: Sender, done: ErrandDone) -> None:
        while not sender.post(done):
            self.posted_again += 1
            await trio.sleep(POST_AGAIN_S)


async def _request(common_name: str, organization: str) -> tuple[bytes, bytes]:
    """A certificate request and its key; some milliseconds of arithmetic, so in a thread."""
    from simfleet.pki.requests import make_certificate_request  # a fleet without TLS never pays

    return await trio.to_thread.run_sync(make_certificate_request, common_name, organization)
