"""The matrix strategy × task × family × head: what works, what isn't legal, and why.

No cell is filled by hand. A legal one is a training of a few steps on a tiny model, whose loss has
to fall and whose logits have to come back from disk; one that the tags rule out has to be refused
with nothing but the model's config at hand.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.legality import Setting, objection
from tunebook.specs import FAMILIES, FORMS, TASKS
from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate
from tunebook.testing.task_forms import TASK_FORMS

Outcome = Literal["passes", "not legal", "fails", "missing"]
REFUSALS = ("strategy.illegal", "head.form", "config.illegal")
"""Codes of the problems that legality is told by."""

TRAINING: Mapping[str, Any] = {
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "head_learning_rate": 3e-3,
    "schedule": "constant",
    "warmup": 0.0,
    "precision": "fp32",
    "evaluations": 1,
}
"""Ten steps, each on all training texts."""


@dataclass(frozen=True)
class Combination:
    """What a cell of the matrix is about."""

    strategy: str
    task: str
    family: str
    form: str


@dataclass(frozen=True)
class Cell(Combination):
    """How a combination went.

    Attributes:
        outcome: `missing` when a package that the strategy needs isn't installed.
        why: Why it isn't legal, what failed, or what is missing.
    """

    outcome: Outcome
    why: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def combinations(strategies: Sequence[str]) -> Iterator[Combination]:
    """Yields every combination there is, legal or not."""
    for strategy in strategies:
        for task in TASK_FORMS:
            for form in FORMS:
                for family in FAMILIES:
                    yield Combination(strategy, task, family, form)


def fill_matrix(host: PluginHost, strategies: Sequence[str] = ()) -> Iterator[Cell]:
    """Yields the cells of some strategies, of all when none are named, in a steady order.

    Raises:
        ConfigError: There is no such strategy.
    """
    names = strategies or host.names("strategy")
    candidates = {
        name: Candidate(host, "strategy", host.get("strategy", name)) for name in sorted(names)
    }
    for combination in combinations([*candidates]):
        outcome, why = _try(candidates[combination.strategy], combination)
        yield Cell(**asdict(combination), outcome=outcome, why=why)


def _try(candidate: Candidate, combination: Combination) -> tuple[Outcome, str]:
    if candidate.obstacle:
        return "missing", candidate.obstacle
    forbidden = _objection(candidate, combination)
    try:
        if forbidden:
            _see_it_refused(candidate, combination)
        else:
            _see_it_learn(candidate, combination)
    except Exception as error:  # a plugin may raise anything
        return "fails", " ".join(f"{type(error).__name__}: {error}".split())
    return ("not legal", forbidden) if forbidden else ("passes", "")


def _objection(candidate: Candidate, combination: Combination) -> str:
    """Returns what the table of legality says, an empty text where nothing is against it."""
    setting = Setting(
        combination.family,
        combination.form,
        _model(combination).architecture,
        TASK_FORMS[combination.task][0]["kind"],
    )
    return objection(candidate.descriptor.tags, setting)


def _model(combination: Combination) -> tiny.TinyModel:
    """Returns the tiny model of a family, with the head that is asked for or another one."""
    models = [model for model in tiny.MODELS.values() if model.family == combination.family]
    return next((model for model in models if model.form == combination.form), models[0])


def _changes(combination: Combination) -> dict[str, Any]:
    task, rows = TASK_FORMS[combination.task]
    return {
        "data": {"kind": "memory", "rows": rows},
        "task": task | {"id": "id"},
        "head": {"form": combination.form},
        "training": dict(TRAINING),
        "metrics": [{"kind": name} for name in TASKS[task["kind"]].metrics],
        "evaluation": {},
    }


def _see_it_refused(candidate: Candidate, combination: Combination) -> None:
    """Raises AssertionError unless it is refused with a config, and no weights or tokenizer."""
    from tunebook.testing.trials import build, tiny_case

    hollow = {"kind": "local", "path": str(_hollow(_model(combination)))}
    changes = _changes(combination) | {"model": hollow}
    try:
        build(tiny_case(candidate, "encoder", **changes), candidate)
        refusal = "none"
    except ConfigError as error:
        refusal = error.problems[0].code
    assert refusal in REFUSALS, f"not refused before a model is loaded: {refusal}"


@functools.cache
def _hollow(model: tiny.TinyModel) -> Path:
    return tiny.model_folder(functools.partial(_save_hollow, model))


def _save_hollow(model: tiny.TinyModel, folder: Path) -> Path:
    config = tiny.model_folder(model.save) / "config.json"
    (folder / "config.json").write_bytes(config.read_bytes())
    (folder / "model.safetensors").touch()
    return folder


def _see_it_learn(candidate: Candidate, combination: Combination) -> None:
    """Raises AssertionError unless the loss falls, and what is saved is the same once loaded."""
    import numpy as np

    from tunebook.export import load_classifier
    from tunebook.testing.trials import fit, own_cache, prepare

    changes = _changes(combination)
    texts, pairs = tiny.TEXTS, tiny.TEXTS[::-1] if "pair" in changes["task"] else None
    with own_cache(candidate.scratch):
        attempt = prepare(candidate, _legal_model(combination), **changes)
        before = attempt.loss
        fit(attempt)
        after = attempt.loss
        assert after < before, f"the loss goes from {before:.4g} to {after:.4g}"
        loaded = load_classifier(attempt.directory, candidate.host)
    logits = attempt.logits(texts, pairs)
    assert np.isfinite(logits).all(), "logits that are not finite"
    assert np.array_equal(loaded.logits(texts, pairs), logits), "other logits once it is loaded"
    assert len(loaded.predict(texts, pairs)) == len(texts), "no answer for a text"


def _legal_model(combination: Combination) -> str:
    """Returns the name of the tiny model with the family and the head of a combination."""
    names = {(model.family, model.form): name for name, model in tiny.MODELS.items()}
    return names[combination.family, combination.form]
