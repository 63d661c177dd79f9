"""The definitions that a class or a function needs, taken out of the code around them."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
OWN_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement that stands in no other.

    Attributes:
        source: As it was written.
        names: What it gives a value.
        uses: Other names that occur in it.
        adds: Whether it goes by what its names had before, as ``+=`` does.
    """

    source: str
    names: frozenset[str]
    uses: tuple[str, ...]
    adds: bool


def cells_of(module: ModuleType) -> Sequence[str]:
    """Returns what has been run in a module, in order: cells of a notebook, or a file's text."""
    cells = vars(module).get("In")  # IPython keeps them there, magics made into calls
    if isinstance(cells, list):
        return [str(cell) for cell in cells]
    file = Path(str(getattr(module, "__file__", None) or ""))
    return [file.read_text(encoding="utf-8")] if file.suffix == ".py" and file.is_file() else []


def definitions_of(names: Iterable[str], cells: Sequence[str]) -> str:
    """Returns the source of definitions and of all that they need, each after what it needs.

    What is changed in place, such as a list that is appended to, is as it was written.

    Args:
        names: What is to be defined.
        cells: Code that was run, in order; the last definition of a name counts.

    Raises:
        LookupError: No cell defines one of them.
    """
    trees = [tree for cell in cells for tree in _parsed(cell)]
    found: dict[str, list[Statement]] = {}
    for statement in (each for cell, tree in trees for each in _statements(cell, tree)):
        for name in statement.names:
            found[name] = [*found.get(name, []), statement] if statement.adds else [statement]
    missing = [name for name in names if name not in found]
    if missing:
        raise LookupError(f"no cell or file defines `{missing[0]}` outside of functions")
    needed: dict[Statement, None] = {}
    for name in names:
        _add(name, found, needed, set())
    parts = [*_imports_of_all(trees), *(statement.source for statement in needed)]
    return "\n\n".join(parts) + "\n"


def undefined_in(source: str) -> list[str]:
    """Returns names that code uses and that neither it nor Python defines; none are known where it
    imports everything of a module."""
    if any(
        isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.parse(source).body
    ):
        return []
    top = symtable.symtable(source, "<plugin>", "exec")
    defined = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    defined |= {*vars(builtins), "__name__", "__file__", "__doc__", "__builtins__"}
    return sorted({*_globals_of(top)} - defined)


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (outermost or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals_of(child)


def _add(
    name: str,
    found: dict[str, list[Statement]],
    needed: dict[Statement, None],
    under_way: set[Statement],
) -> None:
    for statement in found.get(name, []):
        if statement not in needed and statement not in under_way:
            under_way.add(statement)  # two functions may call one another
            for used in statement.uses:
                _add(used, found, needed, under_way)
            needed[statement] = None


def _parsed(cell: str) -> Iterator[tuple[str, ast.Module]]:
    try:
        yield cell, ast.parse(cell)
    except (SyntaxError, ValueError):  # it never ran
        return


def _statements(cell: str, tree: ast.Module) -> Iterator[Statement]:
    for node in tree.body:
        names = frozenset(_bound(node))
        if names:
            read = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _reads(n)]
            adds = isinstance(node, ast.AugAssign) or (
                isinstance(node, ast.Assign) and not names.isdisjoint(read)
            )
            others = tuple(name for name in dict.fromkeys(read) if name not in names)
            yield Statement(_source(cell, node), names, others, adds)


def _reads(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _imports_of_all(trees: Sequence[tuple[str, ast.Module]]) -> list[str]:
    """Returns imports that say nothing of which names they bring, those of ``__future__`` first."""
    nodes = [
        (node.module != "__future__", ast.get_source_segment(cell, node) or "")
        for cell, tree in trees
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.module == "__future__" or node.names[0].name == "*")
    ]
    return [source for _, source in sorted(dict.fromkeys(nodes), key=lambda pair: pair[0])]


def _bound(node: ast.AST) -> Iterator[str]:
    """Yields the names that a statement gives a value in its own scope."""
    if isinstance(node, DEFINITIONS):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        if getattr(node, "module", "") != "__future__":
            yield from (each.asname or each.name.partition(".")[0] for each in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, OWN_SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _source(cell: str, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    segments = [f"@{ast.get_source_segment(cell, each)}" for each in decorators]
    return "\n".join([*segments, ast.get_source_segment(cell, node) or ""])
