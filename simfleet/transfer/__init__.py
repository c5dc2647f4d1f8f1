"""Files to and from a server: HTTP(S) PUT and GET, FTP and FTPS, as a charger does them."""

from simfleet.transfer.failure import Kind, TransferFailed
from simfleet.transfer.files import download, upload

__all__ = ["Kind", "TransferFailed", "download", "upload"]
