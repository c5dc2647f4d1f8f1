"""Firmware for others: a station that is a local controller as well (2.0.1 use cases L03 and L04).

PublishFirmware has it get a file, check its MD5, and offer it to the stations behind it under
addresses of its own, which the CSMS is told; UnpublishFirmware ends that. What is published
outlives reboots; a download that was cut off is begun anew.

Where transfers are simulated the checksum is taken to be right, for there is no file.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Literal

from simfleet.station import agenda
from simfleet.station.agenda import Job
from simfleet.station.effects import CancelErrand, Download
from simfleet.station.files import RETRY_MIN_S, is_supported
from simfleet.station.firmware_state import IDLE, Firmware, Published, file_name
from simfleet.station.messages import PublishStatus
from simfleet.station.registration import NEVER_S

if TYPE_CHECKING:
    from simfleet.station.events import ErrandDone
    from simfleet.station.station import Station

PUBLISHED_MAX: Final = 5
"""Firmware files that a station offers; one more is refused."""
PUBLISHED: Final = "Published"
_DOWNLOADING: Final = "Downloading"
LOCATION_MAX_CHARS: Final = 512


def publish(
    station: Station,
    url: str,
    checksum: str,
    *,
    request_id: int,
    retries: int | None = None,
    retry_s: float | None = None,
    at_s: float,
) -> Literal["Accepted", "Rejected"]:
    """PublishFirmware. Rejected: a location that is no URL of a supported scheme, a checksum that
    is no MD5, a download for it that is under way, too many files, or a reboot under way.

    The same checksum again is published anew from the new location.
    """
    known = _known(station)
    if station.reset_deadline_s != NEVER_S or not is_supported(station, url):
        return "Rejected"
    if len(checksum) != 32 or not checksum.isalnum() or not _is_hexadecimal(checksum):
        return "Rejected"
    before = _find(station, checksum)
    if any(one.status != PUBLISHED for one in known):
        return "Rejected"  # one at a time
    if before is None and len(known) >= PUBLISHED_MAX:
        return "Rejected"
    if before is not None:
        known.remove(before)
    one = Published(url=url, checksum=checksum.lower(), request_id=request_id)
    if retries is not None:
        one.retries = max(0, retries)
    if retry_s is not None:
        one.retry_s = max(RETRY_MIN_S, retry_s)
    _of(station).published.append(one)
    _download(station, one, at_s=at_s)
    return "Accepted"


def unpublish(
    station: Station, checksum: str
) -> Literal["DownloadOngoing", "NoFirmware", "Unpublished"]:
    """UnpublishFirmware. DownloadOngoing: it is not there yet."""
    one = _find(station, checksum)
    if one is None:
        return "NoFirmware"
    if one.status != PUBLISHED:
        return "DownloadOngoing"
    _known(station).remove(one)
    return "Unpublished"


def status_of(station: Station) -> PublishStatus:
    """What a triggered PublishFirmwareStatusNotification says: Idle without a request where nothing
    is under way.
    """
    for one in _known(station):
        if one.status != PUBLISHED:
            return PublishStatus(one.status, one.request_id)
    return PublishStatus(IDLE, None)


def locations_of(station: Station, url: str) -> tuple[str, ...]:
    """The addresses at which others get a file that came from this URL."""
    host = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in station.identity)
    location = f"http://{host.lower()}.local/firmware/{file_name(url)}"
    return (location[:LOCATION_MAX_CHARS],)


def _is_hexadecimal(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)


def _of(station: Station) -> Firmware:
    if station.firmware is None:
        station.firmware = Firmware()
    return station.firmware


def _known(station: Station) -> list[Published]:
    return [] if station.firmware is None else station.firmware.published


def _find(station: Station, checksum: str) -> Published | None:
    wanted = checksum.lower()
    return next((one for one in _known(station) if one.checksum == wanted), None)


def _coming(station: Station) -> Published | None:
    """The one that is not published yet."""
    return next((one for one in _known(station) if one.status != PUBLISHED), None)


# ── the way of a file ─────────────────────────────────────────────────────────────────────────────


def _tell(station: Station, one: Published, status: str, *, at_s: float) -> None:
    if one.status == status:
        return
    one.status = status
    locations = locations_of(station, one.url) if status == PUBLISHED else ()
    station.say(PublishStatus(status, one.request_id, locations), due_s=at_s)


def _download(station: Station, one: Published, *, at_s: float) -> None:
    _tell(station, one, _DOWNLOADING, at_s=at_s)
    if station.spec.transfers == "simulated" or _of(station).fail_next == "DownloadFailed":
        agenda.at(station, Job.PUBLISH, at_s + station.spec.download_s)
        return
    station.errands += 1
    one.errand = station.errands
    station.effects.append(Download(one.errand, one.url))


def due(station: Station, _: int, /, *, at_s: float) -> None:
    """A pause is over, or a simulated download (`Job.PUBLISH`)."""
    one = _coming(station)
    if one is None:
        return
    firmware = _of(station)
    if firmware.fail_next == "DownloadFailed":
        firmware.fail_next = ""
        _fail(station, one, "DownloadFailed", at_s=at_s)
    elif station.spec.transfers == "simulated":
        _downloaded(station, one, None, at_s=at_s)
    else:
        _download(station, one, at_s=at_s)


def owns(station: Station, errand: int) -> bool:
    """Whether this errand is the download of something to publish."""
    return any(one.errand == errand for one in _known(station))


def errand_done(station: Station, done: ErrandDone, *, at_s: float) -> None:
    """The download has ended."""
    one = _coming(station)
    assert one is not None, "only called for a download that `owns` knows"
    one.errand = 0
    if done.ok:
        _downloaded(station, one, done.content, at_s=at_s)
    elif one.retries:
        one.retries -= 1
        agenda.at(station, Job.PUBLISH, at_s + one.retry_s)
    else:
        _fail(station, one, "DownloadFailed", at_s=at_s)


def _downloaded(station: Station, one: Published, content: bytes | None, *, at_s: float) -> None:
    """The file is here; None: a pretend one."""
    _tell(station, one, "Downloaded", at_s=at_s)
    if content is not None:
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != one.checksum:
            _fail(station, one, "InvalidChecksum", at_s=at_s)
            return
    _tell(station, one, "ChecksumVerified", at_s=at_s)
    _tell(station, one, PUBLISHED, at_s=at_s)


def _fail(station: Station, one: Published, why: str, *, at_s: float) -> None:
    _tell(station, one, why, at_s=at_s)
    agenda.cancel(station, Job.PUBLISH)
    _known(station).remove(one)


# ── what else happens to the station ──────────────────────────────────────────────────────────────


def went_dark(station: Station) -> None:
    """A reboot or a power loss cuts the download off."""
    one = _coming(station)
    if one is not None and one.errand:
        station.effects.append(CancelErrand(one.errand))
        one.errand = 0


def rebooted(station: Station, *, at_s: float) -> None:
    """The station has booted: what was cut off is begun anew."""
    if _coming(station) is None:
        return
    simulated = station.spec.transfers == "simulated"
    agenda.at(station, Job.PUBLISH, at_s + station.spec.download_s if simulated else at_s)
