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
from typing import Any, Literal, get_args

from tunebook.config import TaskConfig
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.legality import objection
from tunebook.specs import FAMILIES, FORMS
from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate

Outcome = Literal["passes", "not legal", "fails", "missing"]
TASKS = get_args(TaskConfig.model_fields["kind"].annotation)
REFUSALS = ("strategy.illegal", "head.form", "config.illegal")
"""Codes of the problems that legality is told by."""

ROWS = 24
TRAINING: Mapping[str, Any] = {
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "head_learning_rate": 1e-2,
    "schedule": "constant",
    "warmup": 0.0,
    "precision": "fp32",
    "evaluations": 1,
}
"""Ten steps, each on all training texts, so that the loss of a step says how well all are known."""

DATA: Mapping[str, Any] = {
    "text_classification": {"data": {"kind": "memory", "rows": tiny.rows(ROWS)}},
}
"""By kind of task, the sections of a case with texts that can be told apart."""


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
        for task in TASKS:
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
    model = _model(combination)
    forbidden = objection(
        candidate.descriptor.tags, combination.family, combination.form, model.architecture
    )
    try:
        refused = _refused(candidate, combination, model)
        if bool(forbidden) != refused:
            return "fails", f"the tags say `{forbidden or 'legal'}`, a run says {refused=}"
        if not refused:
            _train(candidate, combination)
    except Exception as error:  # a plugin may raise anything
        return "fails", " ".join(f"{type(error).__name__}: {error}".split())
    return ("not legal", forbidden) if forbidden else ("passes", "")


def _model(combination: Combination) -> tiny.TinyModel:
    """Returns the tiny model of a family, with the head that is asked for or another one."""
    models = [model for model in tiny.MODELS.values() if model.family == combination.family]
    return next((model for model in models if model.form == combination.form), models[0])


def _changes(combination: Combination) -> dict[str, Any]:
    return {
        **DATA[combination.task],
        "task": {"kind": combination.task, "id": "id"},
        "head": {"form": combination.form},
        "training": dict(TRAINING),
    }


def _refused(candidate: Candidate, combination: Combination, model: tiny.TinyModel) -> bool:
    """Whether the combination is refused where there is a config, and no weights or tokenizer."""
    from tunebook.testing.trials import build, tiny_case

    changes = _changes(combination) | {"model": {"kind": "local", "path": str(_hollow(model))}}
    try:
        build(tiny_case(candidate, "encoder", **changes), candidate)
    except ConfigError as error:
        return error.problems[0].code in REFUSALS
    raise AssertionError("a model was made of nothing")


@functools.cache
def _hollow(model: tiny.TinyModel) -> Path:
    return tiny.model_folder(functools.partial(_save_hollow, model))


def _save_hollow(model: tiny.TinyModel, folder: Path) -> Path:
    config = tiny.model_folder(model.save) / "config.json"
    (folder / "config.json").write_bytes(config.read_bytes())
    (folder / "model.safetensors").touch()
    return folder


def _train(candidate: Candidate, combination: Combination) -> None:
    """Raises AssertionError unless what is trained learns, and is the same when it is loaded."""
    import numpy as np

    from tunebook.events import StepTaken
    from tunebook.export import load_classifier
    from tunebook.testing.trials import train

    legal = {(model.family, model.form): name for name, model in tiny.MODELS.items()}
    model = legal[combination.family, combination.form]
    attempt = train(candidate, model, **_changes(combination))
    losses = [event.loss for event in attempt.log.events if type(event) is StepTaken]
    first, last = np.mean(losses[:3]), np.mean(losses[-3:])
    assert last < first, f"the loss goes from {first:.3g} to {last:.3g}"
    logits = attempt.logits(tiny.TEXTS)
    assert np.isfinite(logits).all(), "logits that are not finite"
    loaded = load_classifier(attempt.directory, candidate.host)
    assert np.array_equal(loaded.logits(tiny.TEXTS), logits), "other logits once it is loaded"


def as_markdown(cells: Sequence[Cell]) -> str:
    """Returns one table for each kind of task, with a row for each strategy."""
    tasks = dict.fromkeys(cell.task for cell in cells)
    return "\n\n".join(
        f"## {task}\n\n{_table([cell for cell in cells if cell.task == task])}" for task in tasks
    )


def _table(cells: Sequence[Cell]) -> str:
    columns = [*dict.fromkeys((cell.family, cell.form) for cell in cells)]
    header = ["strategy", *(f"{family}, {form}" for family, form in columns), "why not"]
    header = [name.replace("_", " ") for name in header]
    rows = [_row(strategy, cells) for strategy in dict.fromkeys(cell.strategy for cell in cells)]
    return "\n".join([_line(header), _line(["---"] * len(header)), *rows])


def _row(strategy: str, cells: Sequence[Cell]) -> str:
    own = [cell for cell in cells if cell.strategy == strategy]
    reasons = dict.fromkeys(cell.why for cell in own if cell.why)
    return _line([f"`{strategy}`", *(cell.outcome for cell in own), "; ".join(reasons)])


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
