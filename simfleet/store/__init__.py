"""What survives a restart, in one SQLite file: users, keys, settings, chargers, logs, runs.

`store` is the door: `open_store()` and the class `Store`, whose methods are all that other rooms
call. `journal` takes a log row per frame without waiting and writes them in batches. `users`,
`keys`, `chargers`, `logs` and `runs` are plain functions over a connection, run by `database` in
its threads; `migrations` is the schema. The only room that imports sqlite3.
"""
