"""The type of a config field with its bounds, in words: ``float above 0 up to 1, or null``."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

RANGES: Mapping[tuple[str, ...], str] = {
    ("ge", "le"): "from {ge} to {le}",
    ("ge", "lt"): "from {ge} to below {lt}",
    ("gt", "le"): "above {gt} up to {le}",
    ("gt", "lt"): "above {gt} and below {lt}",
    ("ge",): "at least {ge}",
    ("gt",): "above {gt}",
    ("le",): "at most {le}",
    ("lt",): "below {lt}",
    ("min_length", "max_length"): "with {min_length} to {max_length} signs or items",
    ("min_length",): "with {min_length} or more signs or items",
    ("max_length",): "with at most {max_length} signs or items",
    ("pattern",): "like {pattern}",
}
"""By the bounds that are given together, how they are read; an earlier entry wins."""

BOUNDS = frozenset(name for names in RANGES for name in names)

SHORT: Mapping[str, str] = {
    "with 1 or more signs or items": "not empty",
    "with 1 to 1 signs or items": "of one sign",
}


def type_in_words(field: FieldInfo) -> str:
    """Returns the type of a field and its bounds."""
    return _bounded(field.annotation, field.metadata)


def _bounded(annotation: Any, metadata: Iterable[Any]) -> str:
    """Returns a type with its bounds, which are not for a null beside it."""
    bounds = _bounds(metadata)
    parts = get_args(annotation) if _is_union(annotation) else (annotation,)
    named = [" ".join(filter(None, (_name(p), bounds))) for p in parts if p is not type(None)]
    null = [] if len(named) == len(parts) else ["null"]
    return ", or ".join(named + null)


def _bounds(metadata: Iterable[Any]) -> str:
    found = {
        name: value
        for item in metadata
        for name in BOUNDS
        if (value := getattr(item, name, None)) is not None
    }
    words = next((text for names, text in RANGES.items() if found.keys() >= {*names}), "")
    text = words.format(**found)
    return SHORT.get(text, text)


def _name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bounded(arguments[0], arguments[1:])
    if origin in NAMES:
        return NAMES[origin](arguments)
    if _is_union(annotation):
        return f"({_bounded(annotation, ())})"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__.removesuffix("Config")
    return str(getattr(annotation, "__name__", annotation))


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _list(arguments: tuple[Any, ...]) -> str:
    return f"list of {_name(arguments[0])}"


def _mapping(arguments: tuple[Any, ...]) -> str:
    key, value = map(_name, arguments)
    return f"mapping of {key} to {value}"


def _choice(arguments: tuple[Any, ...]) -> str:
    return "one of " * (len(arguments) > 1) + ", ".join(map(str, arguments))


NAMES: Mapping[Any, Callable[[tuple[Any, ...]], str]] = {
    tuple: _list,
    list: _list,
    dict: _mapping,
    Literal: _choice,
}
"""By generic type, how its arguments are read."""
