"""A real browser for tests of pages: Debian's chromium, headless, with a profile of its own.

Each call is one process that ends by itself. What it asked of the network is in the log that
`visit` reads; a screenshot is decoded here, so that tests can look at its colours.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
WHY_NOT: Final = "chromium is not installed (apt-get install chromium)"
_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-extensions"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--no-default-browser-check"),
    "--disable-features=MediaRouter,OptimizationHints,Translate",
)
_ITSELF: Final = "not an origin"
TIMEOUT_S: Final = 50.0
PHONE_PX: Final = 390


def browse(page: Path, *flags: str, scratch: Path) -> str:
    """Open a page and return what the browser printed."""
    assert CHROMIUM is not None, WHY_NOT
    profile = scratch / f"profile-{len(list(scratch.iterdir()))}"
    ran = subprocess.run(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    shutil.rmtree(profile, ignore_errors=True)
    return ran.stdout


def screenshot(page: Path, *flags: str, scratch: Path, width: int, height: int) -> Picture:
    """The page as somebody sees it in a window of that size."""
    shot = scratch / f"shot-{len(list(scratch.iterdir()))}.png"
    browse(page, f"--window-size={width},{height}", *flags, f"--screenshot={shot}", scratch=scratch)
    return Picture.of(shot)


def asked_of_the_network(page: Path, *, scratch: Path) -> set[str]:
    """Every URL on a network that the page had the browser ask for. What chromium wants for itself
    has no origin; nothing of it leaves the machine, for no name is resolved.
    """
    log = scratch / "net.json"
    browse(page, f"--log-net-log={log}", "--dump-dom", scratch=scratch)
    text = log.read_text("utf-8", "replace")
    try:
        events = json.loads(text)
    except ValueError:  # ended before it closed its list
        events = json.loads(text.rstrip().rstrip(",") + "]}")
    urls = {
        event["params"]["url"]
        for event in events["events"]
        if isinstance(event.get("params"), dict)
        and event["params"].get("initiator", _ITSELF) != _ITSELF
    }
    return {url for url in urls if url.startswith(("http:", "https:", "ws:", "wss:", "ftp:"))}


def framed(page: Path, *, scratch: Path, width: int = PHONE_PX, height: int = 3_000) -> Path:
    """A page that shows another in a frame as wide as a phone, and says what it needs: a window of
    chromium is never that narrow.
    """
    outer = scratch / "phone.html"
    outer.write_text(
        f"""<!doctype html><body style="margin:0"><p id="found" hidden>waiting</p>
<iframe id="phone" src="{page.as_uri()}"
 style="width:{width}px;height:{height}px;border:0"></iframe>
<script>addEventListener("load", () => {{
const inner = document.getElementById("phone").contentDocument.documentElement;
document.getElementById("found").textContent = "needs " + inner.scrollWidth + " px";
}})</script>""",
        encoding="utf-8",
    )
    return outer


def width_needed(page: Path, *, scratch: Path, width: int = PHONE_PX) -> int:
    """How wide the page is in a window of that width; more means that it scrolls sideways."""
    outer = framed(page, scratch=scratch, width=width)
    dom = browse(outer, "--allow-file-access-from-files", "--dump-dom", scratch=scratch)
    return int(dom.split("needs ")[1].split(" px")[0])


class Picture(NamedTuple):
    """A decoded screenshot: rows of pixels, three bytes each."""

    width: int
    height: int
    rows: Sequence[bytes]

    @classmethod
    def of(cls, path: Path) -> Picture:
        """Decode a PNG of 8 bit RGB or RGBA."""
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height, bits, colours = struct.unpack_from(">IIBB", content, 16)
        assert bits == 8, bits
        wide = {2: 3, 6: 4}[colours]
        packed = b"".join(data for kind, data in _chunks(content) if kind == b"IDAT")
        rows = list(_unfiltered(zlib.decompress(packed), width * wide, height, wide))
        if wide == 4:
            rows = [_without_alpha(row) for row in rows]
        return cls(width, height, rows)

    def has(self, colour: str, *, off: int = 12) -> int:
        """How many pixels, of every third in each direction, are about of a colour (`#rrggbb`)."""
        wanted = bytes.fromhex(colour.removeprefix("#"))
        return sum(
            all(abs(row[place + part] - wanted[part]) <= off for part in range(3))
            for row in self.rows[::3]
            for place in range(0, len(row), 9)
        )

    @property
    def colours(self) -> int:
        """How many different colours there are, looked at every third pixel."""
        return len(
            {row[place : place + 3] for row in self.rows[::3] for place in range(0, len(row), 9)}
        )

    def cut(self, path: Path, *, top: int, bottom: int) -> None:
        """Write a part of it as a PNG, for people."""
        rows = self.rows[top:bottom]
        head = struct.pack(">IIBBBBB", self.width, len(rows), 8, 2, 0, 0, 0)
        parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))))
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + b"".join(
                struct.pack(">I", len(data))
                + kind
                + data
                + struct.pack(">I", zlib.crc32(kind + data))
                for kind, data in (*parts, (b"IEND", b""))
            )
        )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        place += length + 12


def _without_alpha(row: bytes) -> bytes:
    kept = bytearray(len(row) // 4 * 3)
    for part in range(3):
        kept[part::3] = row[part::4]
    return bytes(kept)


def _unfiltered(raw: bytes, length: int, height: int, wide: int) -> Iterator[bytes]:
    above = bytearray(length)
    for number in range(height):
        start = number * (length + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + length])
        if kind == 2:
            for place in range(length):
                row[place] = (row[place] + above[place]) & 255
        elif kind:
            for place in range(length):
                left = row[place - wide] if place >= wide else 0
                corner = above[place - wide] if place >= wide else 0
                row[place] = (row[place] + _guess(kind, left, above[place], corner)) & 255
        above = row
        yield bytes(row)


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    """What a PNG's filter takes a byte to be."""
    if kind == 1:
        return left
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
