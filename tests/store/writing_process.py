"""A service that stores as fast as it can, and says what was acknowledged; made to be killed.

Lines on standard output: `charger NAME` and `setting VALUE` once saving returned, `row ID` once a
row was flushed, `id ID` for each id as it is handed out, stored or not.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import trio

from simfleet.clock import real_wall_s
from simfleet.store import LogRow, StoredCharger, open_store


def say(text: str) -> None:
    print(text, flush=True)


async def main() -> None:
    async with open_store(Path(sys.argv[1])) as store, trio.open_nursery() as nursery:
        await nursery.start(store.journal.run)
        user = await store.create_user("ada")
        for number in count():
            name = f"SIM-{number}"
            row = LogRow(
                user_id=user.id,
                chargepoint_id=name,
                direction="sent",
                message_type="CALL",
                action="Heartbeat",
                frame=b"[]",
                at_wall_s=real_wall_s(),
            )
            say(f"id {store.journal.append(row)}")
            await store.save_charger(
                StoredCharger(
                    user_id=user.id, chargepoint_id=name, made=b"{}", kept=b"{}", mode="on"
                )
            )
            say(f"charger {name}")
            await store.save_settings(user.id, {"number": str(number)})
            say(f"setting {number}")
            if number % 10 == 9 and await store.journal.flush(within_s=10):
                say(f"row {row.id}")


trio.run(main)
