"""What simfleet's modules import, read from their source; for test_layering and test_purity."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "simfleet"


@dataclass(frozen=True)
class Module:
    """One source file; `name` is dotted and starts with `simfleet`."""

    name: str
    source: str
    is_package: bool = False

    @property
    def room(self) -> str:
        """The first name below simfleet: `link`, `errors`; the package itself is ''."""
        return [*self.name.split("."), ""][1]


@dataclass(frozen=True)
class Import:
    """One imported thing: of `from a.b import c as d`, origin and bound are `a.b.c`, name is `d`.

    `bound` is what the name stands for: of `import a.b`, which binds `a`, it is `a`.
    """

    origin: str
    name: str
    bound: str
    line: int
    only_for_types: bool


def modules() -> list[Module]:
    """Every module of simfleet."""
    return [_module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def _module(path: Path) -> Module:
    parts = ["simfleet", *path.relative_to(PACKAGE).with_suffix("").parts]
    is_package = parts[-1] == "__init__"
    return Module(
        name=".".join(parts[:-1] if is_package else parts),
        source=path.read_text(encoding="utf-8"),
        is_package=is_package,
    )


def imports(module: Module) -> list[Import]:
    """All imports of a module, wherever they stand, with relative ones resolved."""
    return list(_imports(module, ast.parse(module.source), only_for_types=False))


def _imports(module: Module, node: ast.AST, *, only_for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.name if alias.asname else alias.name.partition(".")[0]
                    name = alias.asname or bound
                    yield Import(alias.name, name, bound, child.lineno, only_for_types)
            case ast.ImportFrom(names=names):
                base = _base_of(module, child)
                for alias in names:
                    origin = f"{base}.{alias.name}"
                    name = alias.asname or alias.name
                    yield Import(origin, name, origin, child.lineno, only_for_types)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=orelse):
                for statement in body:
                    yield from _imports_of_statement(module, statement, only_for_types=True)
                for statement in orelse:
                    yield from _imports_of_statement(
                        module, statement, only_for_types=only_for_types
                    )
            case _:
                yield from _imports(module, child, only_for_types=only_for_types)


def _imports_of_statement(
    module: Module, statement: ast.stmt, *, only_for_types: bool
) -> Iterator[Import]:
    wrapped = ast.Module(body=[statement], type_ignores=[])
    yield from _imports(module, wrapped, only_for_types=only_for_types)


def _base_of(module: Module, node: ast.ImportFrom) -> str:
    """The dotted module that a `from` import names."""
    if node.level == 0:
        return node.module or ""
    parents = module.name.split(".")
    drop = node.level - 1 if module.is_package else node.level
    kept = parents[: len(parents) - drop]
    return ".".join([*kept, node.module] if node.module else kept)
