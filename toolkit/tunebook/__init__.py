"""tunebook turns a pretrained Transformer into a model of one domain in re-runnable notebooks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tunebook.audition.driving import run_audition
    from tunebook.audition.reading import Audition, load_audition
    from tunebook.batch.reading import Batch, load_batch, run_batch
    from tunebook.cases import load_case
    from tunebook.config import CaseConfig, PluginConfig
    from tunebook.data.loading import load_dataset
    from tunebook.errors import TunebookError
    from tunebook.export import load_classifier
    from tunebook.host import PluginHost
    from tunebook.learning_curve import trace_learning_curve
    from tunebook.rates import find_learning_rate
    from tunebook.runner import resume_run, run_case
    from tunebook.runs import Run, load_run
    from tunebook.specs import hookimpl
    from tunebook.widgets.browse import browse
    from tunebook.widgets.form import configure
    from tunebook.widgets.live import LiveRun, attach, start

_HOMES = {
    "Audition": "tunebook.audition.reading",
    "Batch": "tunebook.batch.reading",
    "CaseConfig": "tunebook.config",
    "PluginConfig": "tunebook.config",
    "PluginHost": "tunebook.host",
    "LiveRun": "tunebook.widgets.live",
    "Run": "tunebook.runs",
    "TunebookError": "tunebook.errors",
    "attach": "tunebook.widgets.live",
    "browse": "tunebook.widgets.browse",
    "configure": "tunebook.widgets.form",
    "find_learning_rate": "tunebook.rates",
    "hookimpl": "tunebook.specs",
    "load_audition": "tunebook.audition.reading",
    "load_batch": "tunebook.batch.reading",
    "load_case": "tunebook.cases",
    "load_classifier": "tunebook.export",
    "load_dataset": "tunebook.data.loading",
    "load_run": "tunebook.runs",
    "resume_run": "tunebook.runner",
    "run_audition": "tunebook.audition.driving",
    "run_batch": "tunebook.batch.reading",
    "run_case": "tunebook.runner",
    "start": "tunebook.widgets.live",
    "trace_learning_curve": "tunebook.learning_curve",
}
"""Public names and where they live; a name is imported when it is first used."""

__all__ = [
    "Audition",
    "Batch",
    "CaseConfig",
    "LiveRun",
    "PluginConfig",
    "PluginHost",
    "Run",
    "TunebookError",
    "attach",
    "browse",
    "configure",
    "find_learning_rate",
    "hookimpl",
    "load_audition",
    "load_batch",
    "load_case",
    "load_classifier",
    "load_dataset",
    "load_run",
    "resume_run",
    "run_audition",
    "run_batch",
    "run_case",
    "start",
    "trace_learning_curve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tunebook' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
