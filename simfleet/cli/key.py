"""`simfleet key`: API keys. All of it works beside a running service, which notices at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simfleet.cli.user import with_store

if TYPE_CHECKING:
    import argparse

    from simfleet.store import Key, Store


def main(arguments: argparse.Namespace) -> int:
    """Run the verb. Raises UsageWrong for a user or a key that is not there."""
    return with_store(arguments, VERBS[arguments.verb])


async def _create(store: Store, arguments: argparse.Namespace) -> None:
    user = await store.user(arguments.user)
    key = await store.create_key(user.id, arguments.label)
    print(key)  # alone on standard output, for `$(simfleet key create ada)`
    print("This is the only time the key is shown: only its hash is stored.", file=sys.stderr)


async def _list(store: Store, arguments: argparse.Namespace) -> None:
    user = await store.user(arguments.user) if arguments.user else None
    for key in await store.keys(user.id if user else None):
        print(_line(key))


async def _revoke(store: Store, arguments: argparse.Namespace) -> None:
    print(f"revoked {_line(await store.revoke_key(arguments.prefix))}")


def _line(key: Key) -> str:
    from simfleet.clock import iso

    return (
        f"{key.prefix}...\t{key.user_name}\tsince {iso(key.created_wall_s)}\t{key.label}".rstrip()
    )


VERBS = {"create": _create, "list": _list, "revoke": _revoke}
