"""The ordinary WebSocket frame, and nothing else: one whole, uncompressed text message. RFC 6455
section 5.2.

An OCPP connection carries almost only these, so `WebSocketLink` writes and recognizes them here,
for a quarter of what the general code costs; every other frame (control, fragment, compressed,
malformed) is given to websockets.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C compiler when websockets was installed
    from websockets.utils import apply_mask

WHOLE_TEXT: Final = 0x81
"""First byte of a text message in one frame, no extension bits."""
HEADER_MAX_BYTES: Final = 14
_MASKED: Final = 0x80
_LENGTH_16: Final = Struct("!BBH")
_LENGTH_64: Final = Struct("!BBQ")
_KEYS_AT_ONCE: Final = 1024


class Masks:
    """Masking keys from the operating system's entropy (RFC 6455 section 10.3), fetched 1,024 at
    a time: one system call per key costs more than the rest of the frame.
    """

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self._pool, self._at = b"", 0

    def next_key(self) -> bytes:
        """Return four bytes that were never returned before."""
        if self._at == len(self._pool):
            self._pool, self._at = os.urandom(4 * _KEYS_AT_ONCE), 0
        self._at = at = self._at + 4
        return self._pool[at - 4 : at]


MASKS: Final = Masks()


def text_frame(message: bytes) -> bytes:
    """Return `message` as a frame a server sends."""
    return _header(len(message), 0) + message


def masked_text_frame(message: bytes) -> bytes:
    """Return `message` as a frame a client sends."""
    key = MASKS.next_key()
    return _header(len(message), _MASKED) + key + apply_mask(message, key)


def text_frames(messages: Sequence[bytes], *, masked: bool) -> bytes:
    """Return several messages as one run of bytes."""
    encode = masked_text_frame if masked else text_frame
    return b"".join([encode(message) for message in messages])


def _header(length: int, mask_bit: int) -> bytes:
    if length < 126:
        return bytes((WHOLE_TEXT, mask_bit | length))
    if length < 65536:
        return _LENGTH_16.pack(WHOLE_TEXT, mask_bit | 126, length)
    return _LENGTH_64.pack(WHOLE_TEXT, mask_bit | 127, length)


def extent_of(buffer: bytes | bytearray, at: int) -> tuple[int, int, bool] | None:
    """Measure the frame that starts at `at`: where its payload starts, where it ends, and whether
    it is masked (the key is the four bytes before the payload). The payload may still be missing.

    None while the header is incomplete. A plain tuple, for this runs once per message.
    """
    have = len(buffer) - at
    if have < 2:
        return None
    length = buffer[at + 1]
    masked = length >= _MASKED
    length &= 0x7F
    payload_at = at + 2
    if length >= 126:
        payload_at += 2 if length == 126 else 8
        if have < payload_at - at:
            return None
        length = int.from_bytes(buffer[at + 2 : payload_at], "big")
    if masked:
        payload_at += 4
    return payload_at, payload_at + length, masked


def unmask(buffer: bytes | bytearray, payload_at: int, end_at: int) -> bytes:
    """Return the payload of a masked frame that is complete in `buffer`."""
    return apply_mask(buffer[payload_at:end_at], buffer[payload_at - 4 : payload_at])
