"""Reference of what can be written where: the keys of a case and of a plan, and every plugin."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pagemaker.markdown import code, papers, table
from pagemaker.places import bundled
from tunebook.batch.plan import BatchPlan
from tunebook.config import CaseConfig
from tunebook.reference import field_rows, reference
from tunebook.specs import KINDS

TITLES: Mapping[str, tuple[str, str, str]] = {
    "strategy": ("strategies.md", "Strategies", "How a pretrained model is adapted: `strategy:`."),
    "metric": ("metrics.md", "Metrics", "What is measured: `metrics:`, a list."),
    "augmenter": ("augmenters.md", "Augmenters", "How training texts are made: `augmentation:`."),
    "datasource": ("data-sources.md", "Data sources", "Where records come from: `data:`."),
    "model": ("models.md", "Models", "The pretrained model to start from: `model:`."),
    "executor": ("executors.md", "Executors", "Where the runs of a batch run."),
    "case": ("cases.md", "Cases", "Cases that are ready to run: `tunebook run NAME`."),
}
"""By kind, the page of its plugins, its title, and what it is in a sentence."""

MORE = ("when", "cost", "where", "paper", "install", "scores", "tasks")
"""Entries of a reference that are shown as they are."""

WORDS = {"where": "works with", "install": "needs"}
"""What they are called, where that is another word."""


def pages() -> dict[str, str]:
    """Returns a page for each kind of plugin, one for the case and one for the plan."""
    assert {*TITLES} == {kind for kind, (hook, _) in KINDS.items() if hook}
    return {
        "case.md": _settings("Keys of a case", CASE, CaseConfig),
        "plan.md": _settings("Keys of a plan", PLAN, BatchPlan),
        **{TITLES[kind][0]: _kind(kind) for kind in TITLES},
    }


CASE = """Everything that a case file may say, with its default. A dot leads into a section, so that
the same path works on the command line: `-p training.epochs=2`. `tunebook describe case` prints
this table, `tunebook schema case` the [JSON Schema](case.schema.json), with which an editor can
complete a case."""

PLAN = """Everything that the plan of a batch may say; `tunebook batch plan.yaml` runs one."""


def _settings(title: str, text: str, model: Any) -> str:
    about = inspect.cleandoc(model.__doc__ or "")
    return f"# {title}\n\n{text}\n\n{about}\n\n{fields_table(field_rows(model))}\n"


def fields_table(rows: Iterable[tuple[str, str, str, str]]) -> str:
    """Returns settings with type, default and meaning."""
    shown = [
        (code(key), kind, default if default == "required" else code(default), papers(text))
        for key, kind, default, text in rows
    ]
    return table(("setting", "type", "default", "what it is"), shown) if shown else ""


def _kind(kind: str) -> str:
    _, title, sentence = TITLES[kind]
    names = bundled().names(kind)
    rows = [(f"[`{name}`](#{name})", bundled().get(kind, name).summary) for name in names]
    parts = [f"# {title}", sentence, table(("name", "what it is"), rows)]
    parts += [_plugin(kind, name) for name in names]
    return "\n\n".join(parts) + "\n"


def _plugin(kind: str, name: str) -> str:
    known = reference(bundled(), f"{kind}:{name}")
    facts = [(WORDS.get(key, key), _fact(known[key])) for key in MORE if known.get(key)]
    facts += [(f"data: {key}", text) for key, text in known.get("card", {}).items() if text]
    defaults = known.get("training") or {}
    parts = [
        f"## {code(name)}",
        known["summary"],
        inspect.cleandoc(known.get("about") or ""),
        table(("", ""), facts) if facts else "",
        f"Defaults where the case sets nothing: {_training(defaults)}." if defaults else "",
        fields_table(known.get("fields", ())),
    ]
    return "\n\n".join(part for part in parts if part)


def _fact(value: Any) -> str:
    return papers(value) if isinstance(value, str) else ", ".join(map(code, value))


def _training(defaults: Mapping[str, Any]) -> str:
    return ", ".join(
        code(f"training.{key}: {json.dumps(value)}") for key, value in defaults.items()
    )
