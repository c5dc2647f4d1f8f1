"""Tags, and the authorization cache: what the CSMS last said of them (OCPP 1.6 section 3.4.1).

Upper and lower case make no difference in a tag (CiString20Type).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_MAX: Final = 100
"""Tags a station remembers; the oldest goes first."""


class TokenInfo(NamedTuple):
    """What is known of a tag. `expires_wall_s` None: does not expire; `evse_ids` empty: it may
    charge at any EVSE.
    """

    status: str
    parent_id_tag: str | None
    expires_wall_s: float | None
    evse_ids: tuple[int, ...] = ()

    def here(self, evse_id: int) -> TokenInfo:
        """The same at one EVSE: what may charge elsewhere alone may not charge here."""
        if self.evse_ids and evse_id not in self.evse_ids and self.status == "Accepted":
            return self._replace(status="NotAtThisLocation")
        return self

    def at(self, wall_s: float) -> TokenInfo:
        """The same at a moment: what has expired says so, whatever it said before."""
        if self.expires_wall_s is not None and self.expires_wall_s <= wall_s:
            return self._replace(status="Expired")
        return self


TOKEN_TYPES: Final = frozenset(
    {
        "Central",
        "DirectPayment",
        "EVCCID",
        "ISO14443",
        "ISO15693",
        "KeyCode",
        "Local",
        "MacAddress",
        "NEMA",
        "NoAuthorization",
        "VIN",
        "eMAID",
    }
)
"""The types of idToken in 2.0.1 (IdTokenEnumType) and those that 2.1 lists besides."""
DEFAULT_TYPE: Final = "ISO14443"


UNASKED: Final = frozenset({"Central", "NoAuthorization"})
"""Types of tags that the CSMS is never asked about, nor is anything kept of them: it has given out
the one itself, and the other is nobody's (2.0.1 C02, C05).
"""


def typed(id_tag: str) -> tuple[str, str]:
    """Type and text of a tag. A tag is written as its text where it is of the default type, else
    with its type and a colon before it: `eMAID:DE*ABC*12345`. A type that no version lists (in 2.1
    it is any text) has two colons.
    """
    kind, colon, text = id_tag.partition(":")
    if not colon:
        return DEFAULT_TYPE, id_tag
    if kind in TOKEN_TYPES:
        return kind, text
    return (kind, text[1:]) if kind and text.startswith(":") else (DEFAULT_TYPE, id_tag)


def tag_of(kind: str, text: str) -> str:
    """The inverse of `typed`."""
    if kind == DEFAULT_TYPE and typed(text) == (kind, text):
        return text
    return f"{kind}:{text}" if kind in TOKEN_TYPES else f"{kind}::{text}"


def is_unasked(id_tag: str) -> bool:
    """Whether the CSMS is never asked about a tag, see `UNASKED`."""
    return ":" in id_tag and typed(id_tag)[0] in UNASKED


def folded(id_tag: str) -> str:
    """A tag as tags are compared."""
    return id_tag.lower()


def same_tag(one: str | None, other: str | None) -> bool:
    """Whether two tags, or two parents of tags, are the same; nothing is like no tag at all."""
    return one is not None and other is not None and folded(one) == folded(other)


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
        tag = folded(id_tag)
        self._known.pop(tag, None)
        if len(self._known) >= CACHE_MAX:
            del self._known[next(iter(self._known))]
        self._known[tag] = info

    def find(self, id_tag: str, *, wall_s: float) -> TokenInfo | None:
        """What is known, or None. An entry that has expired says so, whatever it said before."""
        info = (self._known or {}).get(folded(id_tag))
        return None if info is None else info.at(wall_s)

    def known(self) -> Iterable[tuple[str, TokenInfo]]:
        """All tags, oldest first."""
        return (self._known or {}).items()

    def forget(self, id_tag: str) -> None:
        """Forget one tag."""
        if self._known is not None:
            self._known.pop(folded(id_tag), None)

    def clear(self) -> None:
        """Forget all (ClearCache)."""
        self._known = None
