"""Uploads of diagnostics (GetDiagnostics, OCPP 1.6 section 6.24) and of logs (GetLog, security
whitepaper use case N01).

At most one of each kind is under way; a new command stops the one before it. The file is written
when the command comes (`diagnostics_file`), and is tried again after a failure as often as the
command says (`retries` counts the further attempts). A reboot ends an upload, and the CSMS is told
that it failed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.station import agenda, diagnostics_file
from simfleet.station.agenda import Job
from simfleet.station.effects import CancelErrand, Upload
from simfleet.station.files import RETRY_MIN_S, RETRY_S, is_supported, scheme_of
from simfleet.station.messages import DiagnosticsStatus, LogStatus
from simfleet.station.registration import NEVER_S

if TYPE_CHECKING:
    from simfleet.station.diagnostics_file import Window
    from simfleet.station.events import ErrandDone
    from simfleet.station.station import Station

IDLE: Final = "Idle"
UPLOADING: Final = "Uploading"
UPLOADED: Final = "Uploaded"
BAD_URL: Final = "bad_url"
UNSUPPORTED: Final = "unsupported_scheme"
INTERRUPTED: Final = "interrupted"
ON_PURPOSE: Final = "on_purpose"
_LOG_FAILURES: Final = {
    "permission": "PermissionDenied",
    BAD_URL: "BadMessage",
    UNSUPPORTED: "NotSupportedOperation",
}
"""What a log's status calls a kind of failure (`simfleet.transfer.Kind`); others: UploadFailure."""
_HOPELESS: Final = frozenset({BAD_URL, UNSUPPORTED, INTERRUPTED, ON_PURPOSE})
"""Failures that another attempt would not change."""
PAUSED: Final = -1
LINES_MAX: Final = 200
"""Recent happenings that a station notes once it was asked for a log; the oldest goes first."""

LogType = Literal["DiagnosticsLog", "SecurityLog"]
LogAnswer = Literal["Accepted", "Rejected", "AcceptedCanceled"]


class What(IntEnum):
    """Which kind of upload; also its key in the agenda (`Job.LOG`)."""

    DIAGNOSTICS = 0
    LOG = 1


class Sending(Struct, gc=False):
    """One upload that is under way."""

    what: What
    url: str
    file_name: str
    content: bytes
    retries: int
    """Attempts that are left after this one."""
    retry_s: float
    request_id: int | None
    errand: int = 0
    """0: simulated; `PAUSED`: none, until the next attempt."""


class Logs:
    """What a station knows of logs once it was asked for one."""

    __slots__ = ("fail_next", "lines", "lost", "sending")

    def __init__(self) -> None:
        self.sending: dict[What, Sending] = {}
        self.fail_next = False
        self.lines: list[tuple[float, str]] = []
        """When (Unix seconds) and what, the oldest first."""
        self.lost = 0
        """Lines for which there was no room."""

    def note(self, wall_s: float, line: str) -> None:
        """Something happened to the station."""
        if len(self.lines) >= LINES_MAX:
            del self.lines[0]
            self.lost += 1
        self.lines.append((wall_s, line))


def _of(station: Station) -> Logs:
    if station.logs is None:
        station.logs = Logs()
    return station.logs


def will_fail(station: Station) -> None:
    """Make the next upload fail."""
    _of(station).fail_next = True


def diagnostics_status(station: Station) -> str:
    """What a triggered DiagnosticsStatusNotification says."""
    busy = station.logs is not None and What.DIAGNOSTICS in station.logs.sending
    return UPLOADING if busy else IDLE


def log_status(station: Station) -> tuple[str, int | None]:
    """What a triggered LogStatusNotification says; Idle has no request."""
    sending = None if station.logs is None else station.logs.sending.get(What.LOG)
    return (IDLE, None) if sending is None else (UPLOADING, sending.request_id)


# ── what the CSMS commands ────────────────────────────────────────────────────────────────────────


def get_diagnostics(
    station: Station,
    url: str,
    *,
    window: Window,
    retries: int | None = None,
    retry_s: float | None = None,
    at_s: float,
) -> str | None:
    """GetDiagnostics: the name of the file that will be uploaded, None when there is nothing."""
    _of(station)
    content = diagnostics_file.diagnostics(station, window, at_s=at_s)
    if content is None:
        return None
    name = _file_name(station, "diagnostics", at_s=at_s)
    _begin(station, What.DIAGNOSTICS, url, name, content, retries, retry_s, None, at_s=at_s)
    return name


def get_log(
    station: Station,
    url: str,
    log_type: LogType,
    *,
    request_id: int,
    window: Window,
    retries: int | None = None,
    retry_s: float | None = None,
    tells_canceled: bool = False,
    at_s: float,
) -> tuple[LogAnswer, str | None]:
    """GetLog: status and file name. Rejected: nothing was noted in that time, or a reboot is under
    way, which would cut the upload off. AcceptedCanceled: one that was under way is stopped, and,
    where the version has a status for that (`tells_canceled`), its end is told.
    """
    logs = _of(station)
    security_log = log_type == "SecurityLog"
    write = diagnostics_file.security_log if security_log else diagnostics_file.diagnostics
    content = write(station, window, at_s=at_s)
    if content is None or station.reset_deadline_s != NEVER_S:
        return "Rejected", None
    name = _file_name(station, "security" if security_log else "diagnostics", at_s=at_s)
    before = logs.sending.get(What.LOG)
    stops = before is not None
    if before is not None and tells_canceled:
        _tell(station, before, "AcceptedCanceled", at_s=at_s)
    _begin(station, What.LOG, url, name, content, retries, retry_s, request_id, at_s=at_s)
    return ("AcceptedCanceled" if stops else "Accepted"), name


def _file_name(station: Station, kind: str, *, at_s: float) -> str:
    moment = diagnostics_file.moment(station.wall_s(at_s)).replace(":", "").replace("-", "")
    identity = "".join(
        sign if sign.isalnum() or sign in "-_." else "_" for sign in station.identity
    )
    return f"{identity}-{kind}-{moment}.log"


# ── the upload ────────────────────────────────────────────────────────────────────────────────────


def _begin(
    station: Station,
    what: What,
    url: str,
    file_name: str,
    content: bytes,
    retries: int | None,
    retry_s: float | None,
    request_id: int | None,
    *,
    at_s: float,
) -> None:
    logs = _of(station)
    before = logs.sending.get(what)
    if before is not None:
        _stop(station, before)
    sending = logs.sending[what] = Sending(
        what,
        url,
        file_name,
        content,
        max(0, retries or 0),
        RETRY_S if retry_s is None else max(RETRY_MIN_S, retry_s),  # never a busy loop
        request_id,
    )
    if scheme_of(url) is None:
        _failed(station, sending, BAD_URL, at_s=at_s)
    elif not is_supported(station, url):
        _failed(station, sending, UNSUPPORTED, at_s=at_s)
    else:
        _tell(station, sending, UPLOADING, at_s=at_s)
        _attempt(station, sending, at_s=at_s)


def _attempt(station: Station, sending: Sending, *, at_s: float) -> None:
    if station.spec.transfers == "simulated" or _of(station).fail_next:
        agenda.at(station, Job.LOG, at_s + station.spec.upload_s, key=sending.what)
        sending.errand = 0
        return
    station.errands += 1
    sending.errand = station.errands
    station.effects.append(Upload(sending.errand, sending.url, sending.file_name, sending.content))


def _stop(station: Station, sending: Sending) -> None:
    if sending.errand > 0:
        station.effects.append(CancelErrand(sending.errand))
    agenda.cancel(station, Job.LOG, key=sending.what)
    del _of(station).sending[sending.what]


def _tell(station: Station, sending: Sending, new: str, *, at_s: float) -> None:
    if sending.what is What.DIAGNOSTICS:
        station.say(DiagnosticsStatus(new), due_s=at_s)
    else:
        station.say(LogStatus(new, sending.request_id), due_s=at_s)


def due(station: Station, key: int, /, *, at_s: float) -> None:
    """A pause is over, or a simulated upload (`Job.LOG`)."""
    logs = _of(station)
    sending = logs.sending.get(What(key))
    if sending is None:
        return
    if logs.fail_next:
        logs.fail_next = False
        _failed(station, sending, ON_PURPOSE, at_s=at_s)
    elif sending.errand == PAUSED:
        _attempt(station, sending, at_s=at_s)
    else:
        _done(station, sending, at_s=at_s)


def owns(station: Station, errand: int) -> bool:
    """Whether this errand is an upload that is under way."""
    return _owner(station, errand) is not None


def _owner(station: Station, errand: int) -> Sending | None:
    if station.logs is None:
        return None
    for sending in station.logs.sending.values():
        if sending.errand == errand:
            return sending
    return None


def errand_done(station: Station, done: ErrandDone, *, at_s: float) -> None:
    """An upload has ended."""
    sending = _owner(station, done.errand)
    assert sending is not None, "only called for an upload that `owns` knows"
    if done.ok:
        _done(station, sending, at_s=at_s)
    else:
        _failed(station, sending, done.kind, at_s=at_s)


def _done(station: Station, sending: Sending, *, at_s: float) -> None:
    sending.errand = 0
    _stop(station, sending)
    _tell(station, sending, UPLOADED, at_s=at_s)


def _failed(station: Station, sending: Sending, kind: str, *, at_s: float) -> None:
    """Try again, or give up and say so."""
    if sending.retries and kind not in _HOPELESS:
        sending.retries -= 1
        sending.errand = PAUSED
        agenda.at(station, Job.LOG, at_s + sending.retry_s, key=sending.what)
        return
    if kind != INTERRUPTED:
        sending.errand = 0
    _stop(station, sending)
    if sending.what is What.DIAGNOSTICS:
        _tell(station, sending, "UploadFailed", at_s=at_s)
    else:
        _tell(station, sending, _LOG_FAILURES.get(kind, "UploadFailure"), at_s=at_s)


def went_dark(station: Station, *, at_s: float) -> None:
    """A reboot or a power loss: uploads are cut off, which the CSMS hears of after the boot."""
    for sending in tuple(_of(station).sending.values()):
        _failed(station, sending, INTERRUPTED, at_s=at_s)
