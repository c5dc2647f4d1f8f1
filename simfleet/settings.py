"""What `simfleet serve` starts with: every limit by name, with its unit, and what may be set.

`Settings()` holds the defaults, `Settings.from_environment()` what SIMFLEET_* variables say; an
option on the command line wins over both. What users change while the service runs (backend URL,
tag, intervals) is not here: it is theirs, and in the store.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from collections.abc import Mapping

KIB: Final = 1024
MIB: Final = 1024 * KIB
MINUTE_S: Final = 60
DAY_S: Final = 24 * 60 * MINUTE_S

# ── limits that are not for setting: they keep memory and answers bounded ────────────────────────

NAMED_CHARGERS_MAX: Final = 10_000
"""Chargers in the store, of all users together."""
USERS_MAX: Final = 1_000
KEYS_PER_USER_MAX: Final = 100
SETTINGS_PER_USER_MAX: Final = 100
RUNS_KEPT_PER_USER: Final = 1_000
"""Finished runs whose record the store keeps; the oldest give way. Their folders stay."""
LIST_LIMIT_MAX: Final = 1_000
"""Items in one answer, whatever `limit` a client asks for."""
LOGS_LIMIT: Final = 200
"""Log rows in one answer when the client names no limit."""
LOGS_BYTES_MAX: Final = 16 * MIB
"""Frames in one answer of logs; a list that would be longer ends early."""
API_KEY_LENGTHS: Final = range(16, 257)
"""Characters of a key that a user brings along (SIMFLEET_API_KEY); ours have 46."""


def default_database() -> Path:
    """Where the database is when nobody says: below XDG_DATA_HOME, as desktop systems agreed."""
    data = os.environ.get("XDG_DATA_HOME", "")
    home = Path(data) if data.startswith("/") else Path("~/.local/share").expanduser()
    return home / "simfleet" / "simfleet.db"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one service. Each field is also the variable SIMFLEET_<FIELD>, upper case."""

    host: str = "127.0.0.1"
    port: int = 8080
    csms_port: int = 9000
    db: Path = dataclasses.field(default_factory=default_database)
    models: Path | None = None
    """A directory of charger models of the user's own, beside the built-in ones."""
    api_key: str | None = dataclasses.field(default=None, repr=False)
    """Becomes a key of the first user; without it one is made and printed once."""
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from, comma-separated; none by default."""

    body_bytes_max: int = 1 * MIB
    requests_per_s: int = 1_000
    """Of all clients together; above it 429."""
    requests_per_s_per_ip: int = 200
    streams_max: int = 200
    """Open SSE streams, of all clients together."""
    shutdown_s: float = 5.0
    """How long open requests may take to end when the service stops."""

    journal_rows_max: int = 1_000_000
    journal_age_max_s: float = 7.0 * DAY_S
    journal_queue_rows: int = 50_000
    """Rows that wait to be written; more are dropped, and counted."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The defaults, with what the environment (default: the process's own) sets.

        Raises UsageWrong for a value that is not of its kind.
        """
        variables = os.environ if environment is None else environment
        found: dict[str, object] = {}
        for field in dataclasses.fields(cls):
            name = f"SIMFLEET_{field.name.upper()}"
            if text := variables.get(name, ""):
                found[field.name] = _value_of(name, text, field.type)
        return dataclasses.replace(cls(), **found)  # type: ignore[arg-type]  # by field.type


def _value_of(name: str, text: str, kind: object) -> object:
    try:
        match kind:
            case "int":
                return _not_negative(int(text))
            case "float":
                return _not_negative(float(text))
            case "Path" | "Path | None":
                return Path(text).expanduser()
            case "tuple[str, ...]":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case _:
                return text
    except ValueError as wrong:
        # The text is not shown where it may be a secret: only numbers come here.
        raise UsageWrong(f"{name}={text!r} is not a number from 0 on") from wrong


def _not_negative(number: float) -> float:
    if not number >= 0:
        raise ValueError(number)
    return number
