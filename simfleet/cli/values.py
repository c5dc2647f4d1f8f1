"""The kinds of value that options take: text to a value, or why not. Cheap to import, for help."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

from simfleet.csms.misbehaviour import parse_duration_s

if TYPE_CHECKING:
    from collections.abc import Callable

PORT_MAX: Final = 65_535
SCALE_MAX: Final = 100
INTERVAL_MAX_S: Final = 2**31 - 1  # OCPP integers are 32 bits wide in practice
_TARGET: Final = re.compile(r"embedded|wss?://[^/\s?#]+[^\s?#]*")
_ASSIGNMENT: Final = re.compile(r"[^=\s]+=.*", re.DOTALL)


def interval_s(text: str) -> int:
    """Whole seconds, as OCPP counts its intervals: `300`, or a duration such as `5m`."""
    try:
        took_s = float(text) if text.isdecimal() else parse_duration_s(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from wrong
    if not took_s.is_integer() or took_s > INTERVAL_MAX_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of seconds up to {INTERVAL_MAX_S}"
        )
    return int(took_s)


def target(text: str) -> str:
    """`embedded`, or the WebSocket URL that a station's identity is appended to."""
    if _TARGET.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a target; write embedded, or ws://host:port/prefix (or wss://)"
        )
    return text


def assignment(text: str) -> str:
    """`path=value`, kept as it is: what the path may be is the scenario schema's to say."""
    if _ASSIGNMENT.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not path=value, for example stages[0].over=20s"
        )
    return text


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The argument type for a decimal integer from `least` up to and including `most`."""
    wanted = f"at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        number = int(text) if re.fullmatch(r"-?\d{1,20}", text, re.ASCII) else None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}")
        return number

    return parse


def scale(text: str) -> float:
    """How many times as fast as real time: 1 to 100."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= SCALE_MAX:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time scale; write a number from 1 to {SCALE_MAX}"
        )
    return number


def price(text: str) -> float:
    """An amount of money, 0 or more."""
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no price; write one such as 0.45")
    return amount


def host_and_port(text: str) -> tuple[str, int]:
    """Where to listen: `127.0.0.1:9464`, `[::1]:9464`, or a port alone, which is on loopback."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    if not host or not port.isdecimal() or not port.isascii() or int(port) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no address to listen on; write HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)
