"""One field of a config as one widget, made from what the config declares of it."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import ipywidgets as ipw
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tunebook.cases import parse_parameters
from tunebook.field_types import type_in_words
from tunebook.schema import models_in

NULL = "null"
LONGEST_SLIDER = 1000
"""Steps of an integer slider; a wider range is typed."""
LOWEST_POWER = 1e-8
"""Where a log slider begins whose field has no lower bound but 0."""


@dataclass(frozen=True)
class Declared:
    """What a field says of itself.

    Attributes:
        types: Its types, without null.
        nullable: Whether null is one.
        bounds: By name, such as ``ge``.
        log: Whether its values are compared by their ratio.
    """

    types: tuple[Any, ...]
    nullable: bool
    bounds: Mapping[str, float]
    log: bool

    @classmethod
    def of(cls, field: FieldInfo) -> Declared:
        parts = get_args(field.annotation) if _is_union(field.annotation) else (field.annotation,)
        bounds = {
            name: value
            for item in field.metadata
            for name in ("ge", "gt", "le", "lt")
            if (value := getattr(item, name, None)) is not None
        }
        extra = field.json_schema_extra
        log = isinstance(extra, Mapping) and extra.get("scale") == "log"
        types = tuple(part for part in parts if part is not type(None))
        return cls(types, type(None) in parts, bounds, log)

    @property
    def only(self) -> Any:
        """Its type, None where it has several."""
        return self.types[0] if len(self.types) == 1 else None


class Field:
    """A label, an input, and a place for what is wrong with it.

    Args:
        path: Dotted path in the case.
        field: What the config declares.
        value: What stands in it.
        changed: Called when somebody changes it.
    """

    def __init__(
        self, path: str, field: FieldInfo, value: Any, changed: Callable[[], None]
    ) -> None:
        self.path = path
        self.declared = Declared.of(field)
        kind = next(kind for kind in KINDS if kind.suits(self.declared))
        self._kind = kind
        self.input = kind.make(self.declared, value)
        self.input.tooltip = field.description or ""
        self.input.layout = ipw.Layout(width="260px")
        name = path.rpartition(".")[2]
        self.input.description = name
        self.input.style = {"description_width": "130px"}
        self.input.layout.width = "400px"
        self._wrong = ipw.HTML()
        told = f"{type_in_words(field)}. {field.description or ''}"
        style = "opacity:.65;font-size:11px;line-height:1.3"
        hint = f'<div style="{style}">{html.escape(told)}</div>'
        self.widget = ipw.VBox([self.input, self._wrong, ipw.HTML(hint)])
        self.begun = self.value
        self.input.observe(lambda _: changed(), "value")

    @property
    def value(self) -> Any:
        """What stands in it, as the case takes it."""
        return self._kind.read(self.declared, self.input.value)

    @property
    def is_changed(self) -> bool:
        return json.dumps(self.value) != json.dumps(self.begun)

    def complain(self, text: str) -> None:
        """Says beside the input what is wrong; nothing for an empty text."""
        style = "color:#d62728;line-height:1.3"
        shown = f'<div role="alert" style="{style}">{html.escape(text)}</div>'
        self._wrong.value = shown if text else ""

    @property
    def complaint(self) -> str:
        return str(self._wrong.value)


@dataclass(frozen=True)
class InputKind:
    """A kind of input: which fields it suits, how it is made, how its value is read."""

    name: str
    suits: Callable[[Declared], bool]
    make: Callable[[Declared, Any], Any]
    read: Callable[[Declared, Any], Any]


def fields_of(
    model: type[BaseModel], values: Mapping[str, Any], prefix: str, changed: Callable[[], None]
) -> Iterator[Field]:
    """Yields the fields of a config, those of its sections included.

    Args:
        model: The config's class.
        values: What stands in it, as JSON types.
        prefix: Path of the config in the case, with its dot.
        changed: Called when somebody changes a field.
    """
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        value = values.get(name, None if field.is_required() else _plain(field.get_default()))
        nested = models_in(field.annotation)
        inside = len(nested) == 1 and nested[0] is field.annotation
        if inside:
            section = value if isinstance(value, Mapping) else {}
            yield from fields_of(nested[0], section, f"{prefix}{name}.", changed)
        else:
            yield Field(f"{prefix}{name}", field, value, changed)


def _is_union(annotation: Any) -> bool:
    import types

    return get_origin(annotation) in (Union, types.UnionType)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _choices(declared: Declared) -> list[tuple[str, Any]]:
    found = [(str(choice), choice) for choice in get_args(declared.only)]
    return [*found, (NULL, None)] if declared.nullable else found


def _dropdown(declared: Declared, value: Any) -> Any:
    return ipw.Dropdown(options=_choices(declared), value=value)


def _log_slider(declared: Declared, value: Any) -> Any:
    low = declared.bounds.get("ge") or LOWEST_POWER
    high = declared.bounds.get("le", declared.bounds.get("lt", 1.0))
    return ipw.FloatLogSlider(
        value=value,
        min=math.log10(low),
        max=math.log10(high),
        step=0.01,
        readout_format=".2e",
        continuous_update=False,
    )


def _int_slider(declared: Declared, value: Any) -> Any:
    low, high = int(declared.bounds["ge"]), int(declared.bounds["le"])
    return ipw.IntSlider(value=value, min=low, max=high, continuous_update=False)


def _text(declared: Declared, value: Any) -> Any:
    shown = value if _is_text(declared) and value is not None else json.dumps(value)
    return ipw.Text(value="" if value is None and not declared.nullable else shown)


def _read_text(declared: Declared, text: str) -> Any:
    stripped = text.strip()
    if declared.nullable and stripped in (NULL, ""):
        return None
    if _is_text(declared):
        return text
    return parse_parameters([f"value={stripped}"])["value"]


def _is_text(declared: Declared) -> bool:
    return declared.only is str or get_origin(declared.only) is Literal


def _as_it_is(_: Declared, value: Any) -> Any:
    return value


def _has_short_range(declared: Declared) -> bool:
    ends = [declared.bounds.get(name) for name in ("ge", "le")]
    return all(map(_is_number, ends)) and ends[1] - ends[0] <= LONGEST_SLIDER  # type: ignore[operator]


KINDS = (
    InputKind(
        "checkbox",
        lambda d: d.only is bool and not d.nullable,
        lambda _, value: ipw.Checkbox(value=value, indent=True),
        _as_it_is,
    ),
    InputKind("dropdown", lambda d: get_origin(d.only) is Literal, _dropdown, _as_it_is),
    InputKind(
        "log slider",
        lambda d: d.only is float and not d.nullable and d.log,
        _log_slider,
        lambda _, value: float(f"{value:.3g}"),
    ),
    InputKind(
        "slider",
        lambda d: d.only is int and not d.nullable and _has_short_range(d),
        _int_slider,
        _as_it_is,
    ),
    InputKind("text", lambda _: True, _text, _read_text),
)
"""Kinds of input; the first that suits a field is taken."""
