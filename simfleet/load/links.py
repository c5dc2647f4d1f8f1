"""How a scenario's target is reached."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from simfleet.errors import UsageWrong
from simfleet.link.link import LinkOptions

if TYPE_CHECKING:
    from simfleet.load.schema1 import Target


def link_options(target: Target) -> LinkOptions:
    """Transport, credentials and trust. Raises `UsageWrong` for a CA file that cannot be used."""
    context = None
    if target.url.startswith("wss:") or target.ca_file is not None:
        try:
            context = ssl.create_default_context(cafile=target.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UsageWrong(
                f"target.ca_file: cannot use {target.ca_file!r}: {error};"
                " it must be a readable file of PEM certificates"
            ) from None
    return LinkOptions(
        transport=target.transport,
        password=target.password,
        ssl_context=context,
        connect_timeout_s=target.connect_timeout_s,
        headers=target.headers,
    )
