"""The authorization cache: what the CSMS last said of a tag (OCPP 1.6 section 3.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_MAX: Final = 100
"""Tags a station remembers; the oldest goes first."""


class TokenInfo(NamedTuple):
    """What is known of a tag. `expires_wall_s` None: does not expire."""

    status: str
    parent_id_tag: str | None
    expires_wall_s: float | None


class TokenCache:
    """Tags by name, oldest first. Costs nothing until the first tag."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, TokenInfo] | None = None

    def __len__(self) -> int:
        return len(self._known or ())

    def learn(self, id_tag: str, info: TokenInfo) -> None:
        """Remember the CSMS's last word on a tag."""
        if self._known is None:
            self._known = {}
        self._known.pop(id_tag, None)
        if len(self._known) >= CACHE_MAX:
            del self._known[next(iter(self._known))]
        self._known[id_tag] = info

    def find(self, id_tag: str, *, wall_s: float) -> TokenInfo | None:
        """What is known, or None. An entry that has expired says so, whatever it said before."""
        info = (self._known or {}).get(id_tag)
        if info is not None and info.expires_wall_s is not None and info.expires_wall_s <= wall_s:
            return info._replace(status="Expired")
        return info

    def known(self) -> Iterable[tuple[str, TokenInfo]]:
        """All tags, oldest first."""
        return (self._known or {}).items()

    def clear(self) -> None:
        """Forget all (ClearCache)."""
        self._known = None
