"""Who is asking: one API key per request, in one of three places.

`X-API-Key`, then `Authorization: Bearer`, then `?api_key=` (for EventSource, which cannot set
headers). The first that is present counts, even when it is wrong and a later one would be right.
Everything under ``/api/`` needs a key, whether or not something is there; the rest does not.
Keys are compared as hashes by the store, and appear in no log, answer or error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from quart import g, request

from simfleet.api.services import services
from simfleet.errors import Unauthorized

if TYPE_CHECKING:
    from simfleet.store.users import User

__all__ = ["SECURED_PREFIX", "authenticate", "current_user", "key_of_request"]

SECURED_PREFIX: Final = "/api/"
KEY_MAX_CHARACTERS: Final = 256
"""Ours have under 64; what is longer is not looked up."""


def key_of_request() -> str | None:
    """The API key of the current request, or None without one."""
    if key := request.headers.get("X-API-Key", "").strip():
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.args.get("api_key") or None


async def authenticate() -> User:
    """The user whose key the current request carries. Raises `Unauthorized`."""
    key = key_of_request()
    if key is None or len(key) > KEY_MAX_CHARACTERS:
        raise Unauthorized
    user = await services().store.user_of_key(key)
    if user is None:
        raise Unauthorized
    g.user = user
    return user


async def current_user() -> User:
    """The user of the current request. Raises `Unauthorized`; asks the store once per request."""
    return cast("User", g.user) if "user" in g else await authenticate()


async def require_key() -> None:
    """Before each request: nothing under ``/api/`` goes without a key."""
    if request.path.startswith(SECURED_PREFIX) or request.path == SECURED_PREFIX[:-1]:
        await authenticate()
