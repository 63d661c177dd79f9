"""What the runs of a batch were given, and what of it differs. Nothing here is heavy.

A *setting* is what runs have in common that differ in nothing but their seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunebook.batch.entry import Entry

SEED = "seed"
"""The parameter that makes runs of one setting differ; a plan's repeats are seeds."""
MISSING = "–"


def setting_of(entry: Entry) -> dict[str, Any]:
    """Returns the parameters of an entry without its seed."""
    return {name: value for name, value in entry.parameters.items() if name != SEED}


def name_of(setting: dict[str, Any]) -> str:
    """Returns what two equal settings share, whatever the order of their parameters."""
    return json.dumps(setting, sort_keys=True, default=str)


def varied_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Returns the paths of the parameters that differ between settings, in the plan's order."""
    settings = [setting_of(entry) for entry in entries]
    names = dict.fromkeys(name for setting in settings for name in setting)
    return tuple(name for name in names if len(_values(settings, name)) > 1)


def constant_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Returns the parameters that all settings share."""
    varied = varied_of(entries)
    first = setting_of(entries[0]) if entries else {}
    return {name: value for name, value in first.items() if name not in varied}


def told(value: Any) -> str:
    """Returns a parameter's value as a reader wants to see it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def value_of(setting: dict[str, Any], name: str) -> str:
    """Returns the value of a parameter in words; some settings of a plan may not have it."""
    return told(setting[name]) if name in setting else MISSING


def in_words(setting: dict[str, Any], names: Iterable[str]) -> str:
    """Returns the named parameters of a setting on one line."""
    found = [f"{name}={told(setting[name])}" for name in names if name in setting]
    return ", ".join(found) or "as the case is"


def case_name(case: str) -> str:
    """Returns a case's name; that of a file is its own, wherever it lies."""
    return Path(case).stem if case.endswith((".yaml", ".yml", ".json")) else case


def _values(settings: Sequence[dict[str, Any]], name: str) -> set[str]:
    return {name_of({name: s[name]} if name in s else {}) for s in settings}
