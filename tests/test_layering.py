"""Arrows point down: a room imports only rooms below it.

Imports for types count as well: a dependency that only mypy sees is one all the same.
"""

from __future__ import annotations

import ast

import pytest

from source_imports import PACKAGE, Module, imports, modules

# Modules that everybody may import, each with what it may import in turn.
# "" is the package itself, which holds the version.
GROUND = {
    "": set[str](),
    "errors": set[str](),
    "clock": {"errors"},
    "settings": {"errors", "clock"},
}

# Rooms from top to bottom; each may import every room below it, except as the tables after it say.
ROOMS = (
    *("__main__", "cli", "service", "ui", "api"),
    *("load", "fleet", "csms", "link", "transfer", "models", "documents", "station", "pki"),
    *("observe", "ocpp", "store"),
)
# Rooms that only the rooms named may import, although others stand above them.
IMPORTED_ONLY_BY = {
    "__main__": set[str](),
    "service": {"__main__", "cli"},
    "cli": {"__main__"},
    "ui": {"service"},
    "api": {"service"},
    "store": {"service", "cli", "api", "load", "fleet"},
    "observe": {"service", "cli", "api", "load", "fleet", "csms"},
}
# Packages of others that one room has to itself.
ONE_ROOM_PACKAGES = {
    "cryptography": "pki",
    "websockets": "link",
    "trio_websocket": "link",
    "wsproto": "link",
    "sqlite3": "store",
    "quart": "api",
    "quart_trio": "api",
    "hypercorn": "api",
}


def may_import(importer: str, imported: str) -> bool:
    """Whether the room `importer` may import the room `imported`."""
    if importer == imported:
        return True
    if importer in GROUND:
        return imported in GROUND[importer]
    if imported in GROUND:
        return True
    allowed = IMPORTED_ONLY_BY.get(imported)
    below = ROOMS.index(imported) > ROOMS.index(importer)
    return below and (allowed is None or importer in allowed)


def violations(module: Module) -> list[str]:
    """Every import of `module` that layering forbids, as text."""
    found = []
    for imported in imports(module):
        where = f"{module.name}:{imported.line}"
        package, _, rest = imported.origin.partition(".")
        owner = ONE_ROOM_PACKAGES.get(package)
        if owner is not None and module.room != owner:
            found.append(f"{where}: only {owner}/ imports {package}")
        room = rest.partition(".")[0]
        if package != "simfleet" or room.startswith("__version"):
            continue
        if room not in GROUND and room not in ROOMS:
            found.append(f"{where}: simfleet.{room} is no room; give it a place in ROOMS")
        elif not may_import(module.room, room):
            found.append(f"{where}: {module.room}/ must not import {room}/")
    return found + _dynamic_imports(module)


def _dynamic_imports(module: Module) -> list[str]:
    """Imports by name, which the checks above cannot see; only the command line dispatches so."""
    if module.name == "simfleet.cli.main":
        return []
    return [
        f"{module.name}:{node.lineno}: imports by name at run time"
        for node in ast.walk(ast.parse(module.source))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id)
        in {"import_module", "__import__"}
    ]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_import_points_down(module: Module) -> None:
    assert violations(module) == []


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert rooms | files <= set(ROOMS) | set(GROUND)


PLANTED = {
    "an upward import": ("simfleet.link.websocket", "from simfleet.fleet.actor import Actor"),
    "an upward import of the room itself": ("simfleet.station.meter", "import simfleet.link"),
    "an upward import by way of the root": ("simfleet.ocpp.rpc", "from simfleet import station"),
    "an upward relative import": ("simfleet.station.meter", "from ..fleet import actor"),
    "an upward import for types": (
        "simfleet.ocpp.rpc",
        "if TYPE_CHECKING:\n    from simfleet.station.station import Station",
    ),
    "an upward import inside a function": (
        "simfleet.csms.server",
        "def serve():\n    from simfleet.load import runner",
    ),
    "an upward import after an else": (
        "simfleet.csms.server",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from simfleet.load import runner",
    ),
    "observe in the link": ("simfleet.link.memory", "from simfleet.observe.records import Record"),
    "observe that knows a fleet": ("simfleet.observe.health", "import simfleet.fleet.registry"),
    "a ground module that knows a room": ("simfleet.clock", "from simfleet.ocpp import frames"),
    "somebody who imports the api": ("simfleet.cli.run", "from simfleet.api.app import app"),
    "a room nobody has placed": ("simfleet.load.runner", "from simfleet.utils import chunks"),
    "websockets outside the link": ("simfleet.csms.server", "import websockets.server"),
    "sqlite3 outside the store": ("simfleet.load.report", "import sqlite3"),
    "a store that knows a room": ("simfleet.store.logs", "from simfleet.observe import records"),
    "a station that stores": ("simfleet.station.meter", "from simfleet.store import store"),
    "quart outside the api": ("simfleet.csms.server", "from quart_trio import QuartTrio"),
    "an import by name": ("simfleet.load.runner", "importlib.import_module('simfleet.cli.run')"),
}


@pytest.mark.parametrize(("name", "source"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_found(name: str, source: str) -> None:
    assert len(violations(Module(name, source))) == 1


def test_downward_imports_pass() -> None:
    source = """
import trio
from simfleet import __version__
from simfleet.clock import iso
from simfleet.csms.server import serve
from simfleet.errors import Refused
from simfleet.observe import hub
from . import pacers
"""
    assert violations(Module("simfleet.load.runner", source)) == []


def test_relative_imports_of_a_package_count_from_itself() -> None:
    package = Module("simfleet.ocpp.v16", "from . import messages\nfrom .. import wire", True)
    assert [found.origin for found in imports(package)] == [
        "simfleet.ocpp.v16.messages",
        "simfleet.ocpp.wire",
    ]
