"""How much the API takes: request rates per client and in total, as token buckets.

A bucket holds one second's worth of requests, so a burst of that size passes and the average
stays below the rate. Streams are bounded by their number instead, see `sse.Streams`.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

__all__ = ["BODY_MAX_BYTES", "CLIENTS_MAX", "Bucket", "Limiter", "Limits"]

BODY_MAX_BYTES: Final = 1024 * 1024
"""Of a request; above it the answer is 413."""
CLIENTS_MAX: Final = 10_000
"""Addresses remembered; those that have been quiet longest are forgotten, with full buckets."""
IPV6_PREFIX: Final = 64
"""One client is one IPv6 network of this length: whoever has one address there has all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests per second; 0 is no limit."""

    per_client_per_s: float = 200.0
    total_per_s: float = 1000.0


class Bucket:
    """Tokens that come back at `per_s`, at most one second's worth (but always one whole one)."""

    __slots__ = ("_at_s", "_per_s", "_tokens")

    def __init__(self, per_s: float, *, at_s: float) -> None:
        self._per_s = per_s
        self._tokens = max(per_s, 1.0)
        self._at_s = at_s

    def wait_s(self, at_s: float) -> float:
        """Seconds until a token is there; 0.0 when there is one. Takes nothing."""
        self._tokens = min(
            max(self._per_s, 1.0), self._tokens + max(0.0, at_s - self._at_s) * self._per_s
        )
        self._at_s = at_s
        # A rounding error must not send a client that has waited long enough away again.
        return 0.0 if self._tokens >= 1.0 - 1e-9 else (1.0 - self._tokens) / self._per_s

    def take(self) -> None:
        """Take a token; to be called when `wait_s` is 0."""
        self._tokens -= 1.0


class Limiter:
    """Decides about each request; knows at most `CLIENTS_MAX` clients."""

    __slots__ = ("_clients", "_limits", "_total", "refused")

    def __init__(self, limits: Limits, *, at_s: float) -> None:
        self._limits = limits
        self._total = Bucket(limits.total_per_s, at_s=at_s) if limits.total_per_s > 0 else None
        self._clients: OrderedDict[str, Bucket] = OrderedDict()
        self.refused = 0
        """Requests turned away so far."""

    def __len__(self) -> int:
        return len(self._clients)

    def admit(self, address: str, *, at_s: float) -> float:
        """Return 0.0 and count the request, or the seconds after which it is worth another try.

        A refused request uses up nothing, neither the client's rate nor the total.
        """
        buckets = [] if self._total is None else [self._total]
        if self._limits.per_client_per_s > 0:
            buckets.append(self._of(client_of(address), at_s))
        wait_s = max((bucket.wait_s(at_s) for bucket in buckets), default=0.0)
        if wait_s > 0:
            self.refused += 1
            return wait_s
        for bucket in buckets:
            bucket.take()
        return 0.0

    def _of(self, client: str, at_s: float) -> Bucket:
        bucket = self._clients.get(client)
        if bucket is None:
            bucket = self._clients[client] = Bucket(self._limits.per_client_per_s, at_s=at_s)
            if len(self._clients) > CLIENTS_MAX:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(client)
        return bucket


def client_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the network around an IPv6 one."""
    if ":" not in address:
        return address
    try:
        network = ipaddress.ip_network((address.partition("%")[0], IPV6_PREFIX), strict=False)
    except ValueError:
        return address
    return str(network)


def whole_seconds(wait_s: float) -> int:
    """`wait_s` as `Retry-After` wants it: rounded up, at least 1."""
    return max(1, math.ceil(wait_s))
