"""The pure rooms do no I/O, read no clock and throw no dice: time and chance are arguments.

That is what lets hypothesis drive a station, MockClock run a day in minutes, and a seed repeat a
fleet. Read from the source, so that a path no test walks is covered too.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from typing import TYPE_CHECKING

import pytest

from source_imports import Module, imports, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

PURE = (
    "simfleet.ocpp*",
    "simfleet.station*",
    "simfleet.csms.access",
    "simfleet.csms.answers*",
    "simfleet.csms.asking",
    "simfleet.csms.session",
    "simfleet.csms.behaviour",
    "simfleet.csms.book",
    "simfleet.csms.wrongs",
    "simfleet.csms.convergence",
    "simfleet.csms.limits",
    "simfleet.csms.description",
    "simfleet.csms.ledger",
    "simfleet.csms.misbehaviour",
    "simfleet.csms.notices",
    "simfleet.csms.passwords",
    "simfleet.csms.records",
    "simfleet.csms.records2",
    "simfleet.csms.reports",
    "simfleet.csms.spoiling",
    "simfleet.csms.transaction_events",
    "simfleet.csms.upkeep",
    "simfleet.csms.versions",
    "simfleet.pki.checks",
    "simfleet.pki.firmware",
    "simfleet.load.call_metrics",
    "simfleet.load.capacity",
    "simfleet.load.foreign_metrics",
    "simfleet.load.selectors",
    "simfleet.load.cases.metrics",
    "simfleet.load.cases.where",
    "simfleet.load.figures",
    "simfleet.load.metrics",
    "simfleet.load.arrival_metrics",
    "simfleet.load.pacers",
    "simfleet.load.run_metrics",
    "simfleet.load.storm_metrics",
    "simfleet.load.stages.recovery",
    "simfleet.link.impairments",
    "simfleet.link.lanes",
    "simfleet.fleet.pacing",
    "simfleet.documents.quantities",
    "simfleet.load.thresholds",
)
# Run by a developer, imported by nobody: it writes the message modules.
NOT_PURE = {"simfleet.ocpp.generate"}
# Packages outside the standard library that only compute.
PURE_PACKAGES = {"msgspec", "jsonschema_rs", "cryptography"}
IMPURE_STANDARD = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "sched", "subprocess", "threading"),
    *("ctypes", "http", "select", "selectors", "signal", "socket", "socketserver", "ssl"),
    *("fileinput", "glob", "io", "mmap", "os", "pathlib", "shelve", "shutil", "sqlite3"),
    *("getpass", "locale", "logging", "platform", "random", "secrets", "sys", "tempfile"),
    *("time", "urllib", "warnings"),
}
# What a pure module may import nevertheless, and why.
EXCEPTIONS = {
    ("simfleet.ocpp.validation", "pathlib"),  # package data: the official schemas
    ("simfleet.station.chance", "random"),  # makes the seeded generator of one charger
}
IMPURE_CALLS = {
    *("datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow"),
    *("datetime.date.today", "uuid.uuid1", "uuid.uuid4"),
    *("simfleet.clock.real_wall_s", "simfleet.clock.stopwatch_s", "simfleet.clock.cpu_s"),
    *("simfleet.clock.WallClock",),  # reads the real clock unless told a start
}
# hash() of text differs from process to process, so the same seed would give another fleet.
IMPURE_BUILTINS = {"open", "print", "input", "breakpoint", "hash", "exec", "eval"}


def is_pure_by_contract(module: Module) -> bool:
    """Whether a module belongs to the pure rooms."""
    return module.name not in NOT_PURE and any(
        fnmatch.fnmatchcase(module.name, pattern) for pattern in PURE
    )


def violations(module: Module) -> list[str]:
    """Everything in a pure module that purity forbids, as text."""
    tree = ast.parse(module.source)
    return [
        *_impure_imports(module),
        *_impure_names(module, tree),
        *(
            f"{module.name}:{node.lineno}: is asynchronous"
            for node in ast.walk(tree)
            if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)
        ),
    ]


def _impure_imports(module: Module) -> Iterator[str]:
    for imported in imports(module):
        package = imported.origin.partition(".")[0]
        if imported.only_for_types or (module.name, package) in EXCEPTIONS:
            continue
        where = f"{module.name}:{imported.line}"
        if package == "simfleet":
            if not _is_pure_or_ground(imported.origin):
                yield f"{where}: imports {imported.origin}, which is not pure"
        elif package in IMPURE_STANDARD or not (
            package in sys.stdlib_module_names or package in PURE_PACKAGES
        ):
            yield f"{where}: imports {package}"


def _is_pure_or_ground(origin: str) -> bool:
    ground = ("simfleet.errors", "simfleet.clock", "simfleet.settings", "simfleet.__version__")
    return origin.startswith(ground) or any(
        # The last name may be a thing in a module, or the module itself.
        fnmatch.fnmatchcase(name, pattern)
        for name in (origin, origin.rpartition(".")[0])
        for pattern in PURE
    )


def _impure_names(module: Module, tree: ast.Module) -> Iterator[str]:
    origins = {found.name: found for found in imports(module)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        path = _dotted(node)
        head, _, rest = path.partition(".")
        where = f"{module.name}:{node.lineno}"
        if head not in origins:
            if path in IMPURE_BUILTINS:
                yield f"{where}: uses {path}"
            continue
        full = f"{origins[head].bound}.{rest}".rstrip(".")
        if full in IMPURE_CALLS and not origins[head].only_for_types:
            yield f"{where}: uses {full}"
        if full.startswith("random.") and full != "random.Random":
            yield f"{where}: uses the global generator, {full}"
    yield from (
        f"{module.name}:{node.lineno}: makes a generator without a seed"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _dotted(node.func) in {"Random", "random.Random"}
        and not node.args
    )


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
        case _:
            return ""


_PURE_MODULES = [module for module in modules() if is_pure_by_contract(module)]


@pytest.mark.parametrize("module", _PURE_MODULES, ids=lambda module: module.name)
def test_a_pure_module_takes_time_and_chance_as_arguments(module: Module) -> None:
    assert violations(module) == []


def test_nobody_imports_what_is_not_pure() -> None:
    importers = [
        module.name
        for module in modules()
        for imported in imports(module)
        if imported.origin.startswith(tuple(NOT_PURE))
    ]
    assert importers == []


@pytest.mark.parametrize("pattern", PURE)
def test_every_pure_room_exists(pattern: str) -> None:
    assert fnmatch.filter([module.name for module in modules()], pattern)


PLANTED = {
    "trio": "import trio",
    "a socket": "import socket",
    "the clock": "from time import monotonic",
    "the file system": "from pathlib import Path",
    "asyncio": "import asyncio.queues",
    "logging": "import logging",
    "the global generator": "from random import randint",
    "an I/O package": "import websockets.client",
    "a room that is not pure": "from simfleet.link.websocket import connect",
    "an import inside a function": "def now():\n    import time",
    "datetime.now": "from datetime import datetime\nstarted = datetime.now()",
    "datetime.utcnow by another name": "import datetime as dt\nstarted = dt.datetime.utcnow()",
    "date.today": "import datetime\nday = datetime.date.today()",
    "uuid4": "from uuid import uuid4\nidentity = uuid4()",
    "our own real clock": "from simfleet.clock import real_wall_s\nwall_s = real_wall_s()",
    "open": "schema = open('schema.json')",
    "print": "print('hello')",
    "a hash of text": "slot = hash('SIM-00001') % 10",
    "a coroutine": "async def receive() -> None: ...",
    "a generator without a seed": (
        "if TYPE_CHECKING:\n    from random import Random\nrng = Random()"
    ),
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_impurity_is_found(source: str) -> None:
    assert len(violations(Module("simfleet.station.meter", source))) == 1


def test_the_seeded_generator_is_made_in_one_place() -> None:
    source = "import random\nrng = random.Random('42:7')"
    assert violations(Module("simfleet.station.chance", source)) == []
    assert len(violations(Module("simfleet.station.meter", source))) == 1
    dice = "import random\nroll = random.random()"
    assert len(violations(Module("simfleet.station.chance", dice))) == 1


def test_what_pure_modules_need_passes() -> None:
    source = """
from __future__ import annotations
import math
import msgspec
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from simfleet.clock import iso
from simfleet.errors import Refused
from simfleet.ocpp import frames
from simfleet.ocpp.rpc import Conversation
if TYPE_CHECKING:
    from random import Random

def energy_wh(rng: Random, *, at_s: float) -> float:
    started = datetime.fromtimestamp(at_s, UTC)
    return rng.uniform(1.0, math.pi)
"""
    assert violations(Module("simfleet.station.meter", source)) == []
