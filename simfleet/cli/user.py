"""`simfleet user`: who may use the service. Adding and listing works beside a running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from simfleet.store import Store


def main(arguments: argparse.Namespace) -> int:
    """Run the verb. Raises UsageWrong for a user that cannot be, or is not there."""
    return with_store(arguments, VERBS[arguments.verb])


def with_store(
    arguments: argparse.Namespace, verb: Callable[[Store, argparse.Namespace], Awaitable[None]]
) -> int:
    """Open the database that the arguments name, and run `verb` with it.

    What the store refuses was asked for on the command line, so it is raised as UsageWrong.
    """
    import trio  # 100 ms that `--help` should not cost

    from simfleet.errors import Invalid, Missing, Refused
    from simfleet.settings import Settings
    from simfleet.store import open_store

    async def run() -> None:
        path = arguments.db or Settings.from_environment().db
        async with open_store(path, service=False) as store:
            await verb(store, arguments)

    try:
        trio.run(run)
    except (Invalid, Missing, Refused) as wrong:
        raise UsageWrong(str(wrong)) from wrong
    return ExitCode.PASSED


async def _add(store: Store, arguments: argparse.Namespace) -> None:
    user = await store.create_user(arguments.name)
    print(f"added {user.name}; `simfleet key create {user.name}` makes a key")


async def _list(store: Store, arguments: argparse.Namespace) -> None:
    del arguments
    from simfleet.clock import iso

    keys, chargers = await store.keys(), await store.chargers()
    for user in await store.users():
        held = sum(key.user_name == user.name for key in keys)
        owned = sum(charger.user_id == user.id for charger in chargers)
        print(f"{user.name}\t{_count(held, 'key')}\t{_count(owned, 'charger')}\t", end="")
        print(f"since {iso(user.created_wall_s)}")


async def _remove(store: Store, arguments: argparse.Namespace) -> None:
    user = await store.user(arguments.name)
    owned = sum(charger.user_id == user.id for charger in await store.chargers())
    if owned and not store.alone:
        raise UsageWrong(
            f"{user.name} has {_count(owned, 'charger')} in a service that is running; stop the "
            "service first, or delete the chargers there"
        )
    await store.remove_user(user.name)
    print(f"removed {user.name} and {_count(owned, 'charger')}")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


VERBS = {"add": _add, "list": _list, "remove": _remove}
