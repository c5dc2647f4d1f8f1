"""What survives a restart, in one SQLite file: users, keys, settings, chargers, logs, runs.

`store` is the door: `open_store()` and the class `Store`, whose methods are all that other rooms
call. `journal` takes a log row per frame without waiting and writes them in batches. `users`,
`keys`, `chargers`, `logs` and `runs` are plain functions over a connection, run by `database` in
its threads; `migrations` is the schema, `lock` keeps a second service out. The only room that
imports sqlite3.
"""

from __future__ import annotations

from simfleet.store.chargers import StoredCharger
from simfleet.store.journal import Journal, JournalCounts, JournalLimits
from simfleet.store.keys import Key
from simfleet.store.logs import LogRow
from simfleet.store.runs import StoredRun
from simfleet.store.store import Store, StoreHealth, open_store
from simfleet.store.users import User

__all__ = [
    "Journal",
    "JournalCounts",
    "JournalLimits",
    "Key",
    "LogRow",
    "Store",
    "StoreHealth",
    "StoredCharger",
    "StoredRun",
    "User",
    "open_store",
]
