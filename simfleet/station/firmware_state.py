"""What a station knows of its firmware: the version that runs, and the update under way.

Both are kept across a loss of power as they are.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from simfleet.station.events import FirmwareFailure
from simfleet.station.files import RETRY_S

if TYPE_CHECKING:
    from simfleet.station.station import Station

VERSION_MAX_CHARS: Final = 50
"""firmwareVersion is a CiString50Type."""
_VERSION: Final = re.compile(r"\d+(?:\.\d+){1,3}")
_LAST_NUMBER: Final = re.compile(r"(\d+)(?=\D*$)")
IDLE: Final = "Idle"

_UNSIGNED: Final = {
    "DownloadScheduled": IDLE,
    "DownloadPaused": "Downloading",
    "SignatureVerified": "Downloaded",
    "InstallScheduled": "Downloaded",
    "InstallRebooting": "Installing",
}
"""What FirmwareStatusNotification calls a status that only a signed update has."""


class Stage(StrEnum):
    """Where an update is."""

    SCHEDULED = "scheduled"  # waits for the retrieve date
    DOWNLOADING = "downloading"
    PAUSING = "pausing"  # between two attempts
    WAITING = "waiting"  # for the install date
    EMPTYING = "emptying"  # waits for transactions to end
    INSTALLING = "installing"
    REBOOTING = "rebooting"


class Update(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One update. It is kept across a power loss as it is; times are Unix seconds."""

    url: str
    retrieve_wall_s: float
    retries: int = 0
    """Attempts that are left after the one under way."""
    retry_s: float = RETRY_S
    request_id: int | None = None
    """Of SignedUpdateFirmware, and of every update of 2.x; None: of an UpdateFirmware of 1.6."""
    install_wall_s: float | None = None
    certificate: str = ""
    """Of who signed it; empty: nobody has."""
    signature: str = ""
    stage: Stage = Stage.SCHEDULED
    status: str = IDLE
    """What the CSMS was told last."""
    errand: int = 0
    """The download under way, 0: none."""
    version: str = ""
    """What will be installed."""
    withdrawn: list[int] = []
    """Connectors that are out of service for this update only."""


class Published(Struct, kw_only=True, omit_defaults=True, gc=False):
    """Firmware that other stations may get from this one (PublishFirmware), or is to become so."""

    url: str
    checksum: str
    """MD5, in hexadecimal digits."""
    request_id: int
    retries: int = 0
    """Attempts that are left after the one under way."""
    retry_s: float = RETRY_S
    status: str = IDLE
    """What the CSMS was told last; Published: others may get it."""
    errand: int = 0
    """The download under way, 0: none, or simulated."""


class Firmware(Struct, omit_defaults=True):
    """What a station knows of its firmware once it was ever updated."""

    version: str = ""
    """Installed; empty: what its spec says."""
    update: Update | None = None
    fail_next: FirmwareFailure = ""
    published: list[Published] = []
    """For other stations, the one asked for last behind the others; see `publishing`."""

    @property
    def waits_for_connectors(self) -> bool:
        """Whether the next step depends on the connectors."""
        return self.update is not None and self.update.stage is Stage.EMPTYING


def version_of(station: Station) -> str:
    """The firmware that runs."""
    firmware = station.firmware
    return (firmware is not None and firmware.version) or station.spec.firmware_version


def status_of(station: Station, *, signed: bool) -> tuple[str, int | None]:
    """What a triggered status says: Idle without a request where nothing runs, or has ended."""
    update = None if station.firmware is None else station.firmware.update
    if update is None:
        return IDLE, None
    if signed:
        unsigned = update.request_id is None  # of which the signed status knows nothing
        return (IDLE, None) if unsigned else (update.status, update.request_id)
    return _UNSIGNED.get(update.status, update.status), None


def new_version(url: str, present: str) -> str:
    """The first version number in the name of the file, else the present one with its last number
    raised.
    """
    found = _VERSION.search(file_name(url))
    if found is not None:
        return found.group()[:VERSION_MAX_CHARS]
    raised = _LAST_NUMBER.sub(lambda number: str(int(number.group()) + 1), present, count=1)
    return (raised if raised != present else f"{present}.1")[:VERSION_MAX_CHARS]


def file_name(url: str) -> str:
    """The last part of a URL's path: without what may be a password before it."""
    return re.split(r"[?#]", url, maxsplit=1)[0].rpartition("/")[2]


def copy_of(firmware: Firmware) -> Firmware:
    """The same, to be kept: what goes on does not change it."""
    update = firmware.update
    if update is not None:
        withdrawn = list(update.withdrawn)
        update = msgspec.structs.replace(update, errand=0, withdrawn=withdrawn)
    published = [msgspec.structs.replace(one, errand=0) for one in firmware.published]
    return msgspec.structs.replace(firmware, update=update, published=published)
