"""The one way in which a transfer fails."""

from __future__ import annotations

from enum import StrEnum

from simfleet.errors import SimFleetError


class Kind(StrEnum):
    """What refused a transfer."""

    URL = "bad_url"  # cannot be read as a URL
    SCHEME = "unsupported_scheme"
    DNS = "dns"
    TCP = "tcp"  # nobody listens there, no route, or the connection broke
    TLS = "tls"
    PERMISSION = "permission"  # HTTP 401 and 403, FTP 530 and the like
    STATUS = "http_status"
    FTP = "ftp_reply"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"  # too many, or to where it must not go
    ANSWER = "answer"  # something that is no HTTP, no FTP
    TIMED_OUT = "timed_out"


class TransferFailed(SimFleetError):
    """A file that did not get there. `detail` is for people; passwords are never in it."""

    code = "TRANSFER_FAILED"

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
