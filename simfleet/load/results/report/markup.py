"""HTML put together safely: whatever comes from outside is escaped here, and only here.

`Html` is text that is markup already. Everything else that is put into a page goes through `text`,
which escapes it and makes visible what could change how the rest is read (control characters,
reversed writing).
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Html = NewType("Html", str)
CELL_MAX_CHARS: Final = 2_000
"""Longer texts are cut in a page; the folder's files have all of it."""
NONE: Final = Html("")
# Controls (but for tab and line feed), zero width, bidirectional overrides, lone surrogates.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def text(value: object) -> Html:
    """Any value as text of a page, also inside quoted attributes."""
    shown = str(value)
    if len(shown) > CELL_MAX_CHARS:
        shown = f"{shown[:CELL_MAX_CHARS]}… ({len(shown) - CELL_MAX_CHARS} more characters)"
    seen = _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
    return Html(escape(seen, quote=True))


def foreign(value: object) -> Html:
    """Text from outside, kept apart from the direction of writing around it."""
    return Html(f"<bdi>{text(value)}</bdi>")


def join(parts: Iterable[str]) -> Html:
    """Markup after markup."""
    return Html("".join(parts))


def section(anchor: str, title: str, *parts: str, intro: str = "") -> Html:
    """A part of the page with a heading; nothing if there is nothing in it."""
    content = join(parts)
    if not content:
        return NONE
    lead = f'<p class="lead">{text(intro)}</p>' if intro else ""
    return Html(f'<section id="{anchor}"><h2>{text(title)}</h2>{lead}{content}</section>\n')


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Iterable[int] = (),
    name: str = "",
) -> Html:
    """A table that scrolls within itself where it is too wide. Cells that are `Html` (of `cell`)
    are taken as they are; `numbers` are the columns whose content is set right.
    """
    right = frozenset(numbers)
    lines = [
        _row([text(title) for title in head], right, "th", scope=True),
        *(_row([_cell(value) for value in row], right, "td") for row in rows),
    ]
    if len(lines) == 1:
        return NONE
    caption = f"<caption>{text(name)}</caption>" if name else ""
    body = "".join(lines[1:])
    return Html(
        f'<div class="wide" tabindex="0"><table>{caption}<thead>{lines[0]}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


class Cell(str):
    """Markup that is the content of a table's cell."""

    __slots__ = ()


def _cell(value: object) -> str:
    return value if isinstance(value, Cell) else foreign(value)


def _row(cells: Sequence[str], right: frozenset[int], kind: str, *, scope: bool = False) -> str:
    about = ' scope="col"' if scope else ""
    shown = (
        f"<{kind}{about}{' class=n' if number in right else ''}>{cell}</{kind}>"
        for number, cell in enumerate(cells)
    )
    return f"<tr>{''.join(shown)}</tr>"


def badge(word: str, tone: str) -> Cell:
    """A word that stands out: `good`, `poor`, `bad` or `plain`, which it says itself, too."""
    return Cell(f'<span class="badge {tone}">{text(word)}</span>')


def code(value: object) -> Cell:
    """Text in a fixed width."""
    return Cell(f"<code>{foreign(value)}</code>")


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and values, one below the other; empty values are left out."""
    lines = [
        f"<dt>{text(name)}</dt><dd>{_cell(value)}</dd>"
        for name, value in pairs
        if value not in (None, "", [])
    ]
    return Html(f'<dl class="facts">{"".join(lines)}</dl>') if lines else NONE


def folded(title: str, content: str, *, opened: bool = False) -> Html:
    """Something that a reader opens when it is wanted; open on paper."""
    if not content:
        return NONE
    return Html(
        f"<details{' open' if opened else ''}><summary>{text(title)}</summary>{content}</details>"
    )
