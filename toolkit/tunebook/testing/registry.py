"""All checks, and which of them a plugin has to pass."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from tunebook.specs import KINDS, Descriptor
from tunebook.testing import (
    augmenters,
    cases,
    datasources,
    executors,
    metrics,
    models,
    observers,
    packaging,
    strategies,
)
from tunebook.testing.check import Check


def _checks_in(module: ModuleType) -> list[Check]:
    """Returns the checks of a module in the order they are written in."""
    return [value for value in vars(module).values() if isinstance(value, Check)]


CHECKS: Mapping[str, Check] = {
    check.id: check
    for module in (
        packaging,
        strategies,
        metrics,
        augmenters,
        datasources,
        models,
        cases,
        executors,
        observers,
    )
    for check in _checks_in(module)
}
"""By id, every check there is."""

LEAST: Mapping[str, int] = {
    "strategy": 27,
    "metric": 21,
    "augmenter": 18,
    "datasource": 18,
    "model": 16,
    "case": 7,
    "executor": 36,
    "observer": 7,
}
"""By kind, how many checks a plugin must at least be put to, so that none passes on nothing."""


def checks_for(descriptor: Descriptor) -> list[Check]:
    """Returns the checks that a plugin has to pass, always in the same order."""
    kind = next(kind for kind, (_, each) in KINDS.items() if isinstance(descriptor, each))
    return [
        check
        for check in CHECKS.values()
        if check.kind in ("any", kind) and check.applies(descriptor)
    ]
