"""Public names of Python: their signatures and docstrings, read from the source, not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

import griffe

from pagemaker.markdown import code, papers, table
from pagemaker.places import DOCS, ROOT
from pagemaker.public import PUBLIC

STORED = DOCS / "public_api.txt"
"""The signatures as they were when somebody last meant to change them."""

LONGEST_DEFAULT = 60
"""Signs; a longer one is shown as …"""

MARKS = {
    griffe.ParameterKind.var_positional: "*",
    griffe.ParameterKind.var_keyword: "**",
}

HEAD = """# Python

{sentence}

Signatures are read from the source. They are also kept in `docs/public_api.txt`, which a test
compares with it, so that the public API never changes by accident.
"""


def pages() -> dict[str, str]:
    """Returns one page for those who run cases, and one for those who write plugins."""
    modules = [*PUBLIC]
    return {
        "python.md": _page("What `import tunebook as tb` gives.", modules[:1]),
        "python-for-plugins.md": _page(
            "Modules that plugins, observers and notebooks may import names from. What isn't here "
            "is tunebook's own and may change any day.",
            modules[1:],
        ).replace("# Python", "# Python for plugins", 1),
    }


@cache
def _package() -> Any:
    return griffe.load("tunebook", search_paths=[str(ROOT / "toolkit")])


def public_object(module: str, name: str) -> Any:
    """Returns what griffe knows of a name, at the place where it is defined."""
    inside = module.removeprefix("tunebook").lstrip(".")
    found = _package()[f"{inside}.{name}" if inside else name]
    return found.final_target if found.is_alias else found


def signature(function: Any, name: str) -> str:
    """Returns a function as one would call it: ``name(a: int, *, b: str = "x") -> bool``."""
    listed: list[str] = []
    kinds = [parameter.kind for parameter in function.parameters]
    starred = griffe.ParameterKind.var_positional in kinds
    for parameter in function.parameters:
        if parameter.name in ("self", "cls") and not listed:
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not starred:
            listed.append("*")
            starred = True
        listed.append(_parameter(parameter))
    returns = f" -> {function.returns}" if function.returns is not None else ""
    return f"{name}({', '.join(listed)}){returns}"


def _parameter(parameter: Any) -> str:
    """Returns a parameter with its type and default."""
    text = MARKS.get(parameter.kind, "") + parameter.name
    text += f": {parameter.annotation}" if parameter.annotation is not None else ""
    if parameter.default is None or parameter.kind in MARKS:
        return text
    return f"{text} = {parameter.default}" if ": " in text else f"{text}={parameter.default}"


def signatures() -> str:
    """Returns the whole public surface, one name a line."""
    lines = [
        line
        for module, surface in PUBLIC.items()
        for name in surface.names
        for line in _lines(f"{module}.{name}", public_object(module, name))
    ]
    return "\n".join(lines) + "\n"


def _lines(path: str, found: Any) -> Iterator[str]:
    if found.is_function:
        yield signature(found, path)
    elif found.is_class:
        bases = ", ".join(map(str, found.bases))
        yield f"class {path}({bases})" if bases else f"class {path}"
        for name, member in public_members(found):
            yield from _lines(f"{path}.{name}", member)
    else:
        yield attribute(found, path)


def attribute(found: Any, path: str) -> str:
    """Returns an attribute with its type, and its default where it has one."""
    text = f"{path}: {found.annotation}" if found.annotation is not None else path
    of_a_class = "instance-attribute" not in found.labels or "class-attribute" in found.labels
    default = _default(found.value) if of_a_class and found.value is not None else None
    if default is None:
        return text
    return f"{text} = {default if len(default) <= LONGEST_DEFAULT else '…'}"


def _default(value: Any) -> str | None:
    """Returns a default as it is written; of a config's field, what stands first in `Field`."""
    if isinstance(value, griffe.ExprCall) and str(value.function) == "Field":
        first = next(iter(value.arguments), None)
        return None if first is None or isinstance(first, griffe.ExprKeyword) else str(first)
    return str(value)


def public_members(found: Any) -> list[tuple[str, Any]]:
    """Returns the members of a class that are for its users, in the order of the source."""
    own = {"__init__", "__call__", "__await__"}
    return [
        (name, member)
        for name, member in found.members.items()
        if (not name.startswith("_") or name in own) and not member.is_alias
    ]


def _page(sentence: str, modules: list[str]) -> str:
    parts = [HEAD.format(sentence=sentence)]
    for module in modules:
        surface = PUBLIC[module]
        parts += [f"## {code(module)}", surface.reader]
        parts += [_name(module, name) for name in surface.names]
    return "\n\n".join(parts) + "\n"


def _name(module: str, name: str) -> str:
    """Returns the section of one public name."""
    found = public_object(module, name)
    first, *_ = _lines(name, found)
    parts = [f"### {code(f'{module}.{name}')}", f"```python\n{first}\n```", docstring(found)]
    parts += _members(found) if found.is_class else []
    return "\n\n".join(part for part in parts if part)


def _members(found: Any) -> list[str]:
    """Returns the attributes of a class as a table, then its methods."""
    members = public_members(found)
    told = _described(found)
    attributes = [
        (code(attribute(member, name)), _sentence(member) or told.get(name, "") or _field(member))
        for name, member in members
        if member.is_attribute
    ]
    parts = [table(("attribute", "what it is"), attributes)] if attributes else []
    for name, member in members:
        if member.is_function:
            called = found.name if name == "__init__" else name
            parts += [f"```python\n{signature(member, called)}\n```", docstring(member)]
    return parts


def _described(found: Any) -> dict[str, str]:
    """Returns what the docstring of a class says of its attributes."""
    return {
        item.name: papers(item.description)
        for section in _sections(found)
        if section.kind is griffe.DocstringSectionKind.attributes
        for item in section.value
    }


def _sentence(found: Any) -> str:
    """Returns the first paragraph of a docstring."""
    text = found.docstring.value.partition("\n\n")[0] if found.docstring else ""
    return papers(text)


def _field(found: Any) -> str:
    """Returns the description of a config's field."""
    arguments = found.value.arguments if isinstance(found.value, griffe.ExprCall) else ()
    told = [
        str(ast.literal_eval(str(argument.value)))
        for argument in arguments
        if isinstance(argument, griffe.ExprKeyword) and argument.name == "description"
    ]
    return papers(told[0]) if told else ""


def docstring(found: Any) -> str:
    """Returns a docstring as Markdown; attributes of a class are left to its table."""
    return "\n\n".join(filter(None, map(_section, _sections(found))))


def _sections(found: Any) -> list[Any]:
    return found.docstring.parse("google", warnings=False) if found.docstring else []


LISTED = {
    griffe.DocstringSectionKind.parameters: "Arguments",
    griffe.DocstringSectionKind.raises: "Raises",
}


def _section(section: Any) -> str:
    kind = section.kind
    if kind is griffe.DocstringSectionKind.text:
        return papers(section.value)
    if kind in LISTED:
        rows = [f"- {_term(item)}: {papers(_flat(item.description))}" for item in section.value]
        return f"*{LISTED[kind]}*\n\n" + "\n".join(rows)
    if kind is griffe.DocstringSectionKind.returns:
        return "*Returns* " + papers(_flat(" ".join(item.description for item in section.value)))
    if kind is griffe.DocstringSectionKind.examples:
        return "\n\n".join(_example(part) for _, part in section.value)
    if kind is griffe.DocstringSectionKind.admonition:
        return _example(section.value.contents)
    return ""


def _term(item: Any) -> str:
    return code(str(getattr(item, "name", None) or item.annotation))


def _example(text: str) -> str:
    return f"```pycon\n{text.strip()}\n```"


def _flat(text: str) -> str:
    return " ".join(text.split())
