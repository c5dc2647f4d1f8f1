"""Can this machine carry the load, and is anybody there? Asked before anything is started.

Descriptors and ports surprise every fleet: the refusal says how many are needed, how many there
are, and what to raise.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simfleet.errors import ConnectFailed, ConnectReason, PreflightFailed, TargetUnreachable

if TYPE_CHECKING:
    from simfleet.link.link import Dialer, LinkOptions

DESCRIPTORS_SPARE: Final = 200
"""What the process needs besides one descriptor for each charger."""
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Where Linux says which local ports it gives to connections."""
_HINTS: Final = {
    ConnectReason.REFUSED: "nobody listens there: start the CSMS, or check host and port",
    ConnectReason.RESET: "it cut the connection before the handshake: is it a WebSocket server?",
    ConnectReason.DNS: "the name does not resolve: check the spelling",
    ConnectReason.TLS: "check the certificate, or target.ca_file for a CA of your own",
    ConnectReason.HTTP_STATUS: "it answers HTTP, but not with a WebSocket: check the path prefix,"
    " target.password, and that it knows this identity",
    ConnectReason.NO_SUBPROTOCOL: "it does not offer this OCPP version",
    ConnectReason.HANDSHAKE: "what answers there is no WebSocket server",
    ConnectReason.TIMED_OUT: "it does not answer: check host, port and firewalls",
    ConnectReason.UNREACHABLE: "check the network",
}


def ensure_descriptors(chargers: int, *, both_ends: bool = False) -> None:
    """Raise the soft limit of open files as far as needed and allowed, or say what to do.

    `both_ends`: the CSMS is in this process, so that each charger needs two.
    """
    needed = chargers * (2 if both_ends else 1) + DESCRIPTORS_SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PreflightFailed(
            f"{chargers} chargers need {needed} open files, this process may have {hard}:"
            f" raise the limit (ulimit -n {needed}, or nofile in /etc/security/limits.conf,"
            " or LimitNOFILE= in a systemd unit), or use fewer chargers"
            + (", or a CSMS that is not in this process" if both_ends else "")
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def ensure_ports(chargers: int, *, range_file: Path = PORT_RANGE) -> None:
    """One source address has one local port for each connection to a target; are they enough?"""
    try:
        low, high = map(int, range_file.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return  # not Linux: the connects will tell
    ports = high - low + 1
    if ports < chargers:
        raise PreflightFailed(
            f"{chargers} chargers need as many local ports, the range {low}-{high} has {ports}:"
            " widen it (sysctl -w net.ipv4.ip_local_port_range='1024 65535'), or use fewer"
            " chargers"
        )


async def ensure_target(
    dial: Dialer, url: str, *, identity: str, subprotocol: str, options: LinkOptions
) -> None:
    """Open one connection as the first charger would, and close it again.

    Raises `TargetUnreachable` with the reason and what to do.
    """
    try:
        async with dial(url, identity=identity, subprotocol=subprotocol, options=options):
            pass
    except ConnectFailed as failure:
        raise TargetUnreachable(
            f"cannot connect to {url} as {identity!r} with {subprotocol}: {failure};"
            f" {_HINTS[failure.reason]}"
        ) from None
