"""A run killed at any step ends as if nothing had happened: the same bits, the same story.

The processes are real, and so is SIGKILL; the steps are drawn.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from killed_runs import Nursery, nursery, result_of, told
from tunebook.records import RunDirectory

pytestmark = pytest.mark.slow

TWO_TASKS = {"topic": {}, "side": {"task": {"label": "side"}, "metrics": ["accuracy", "f1"]}}
PRETRAINING = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "head_epochs": 0.5}
BRIEF = {"epochs": 2}

FAMILIES: dict[str, dict[str, Any]] = {
    "full": {"training": {"gradient_accumulation": 2, "early_stopping": {"patience": 2}}},
    "cached features": {"strategy": "feature_extraction"},
    "frozen prefix": {"strategy": {"kind": "freeze", "layers": 1}},
    "gradual unfreezing": {"strategy": {"kind": "gradual_unfreezing", "unfreeze": "plateau"}},
    "peft": {"strategy": "lora"},
    "adapters": {"strategy": "adapter"},
    "contrastive": {"strategy": {"kind": "contrastive", "pairs_per_text": 3}, "training": BRIEF},
    "two tasks": {"tasks": TWO_TASKS, "sampling": {"temperature": 2.0}, "training": BRIEF},
    "pretraining": {"pretraining": PRETRAINING, "training": BRIEF, "strategy": "lora"},
    "decoder": {"model": "tiny_gpt2", "training": BRIEF},
}
"""By family of strategy, what its case changes."""

KILLS = 2
"""Of each family, at drawn steps; together twenty."""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(TUNEBOOK_CACHE=str(tmp_path_factory.mktemp("cache"))) as made:
        yield made


def case_of(folder: Path, *, every: int | None = None, **changes: Any) -> dict[str, Any]:
    rows = [row | {"side": "left" if "left" in row["text"] else "none"} for row in tiny.rows(90)]
    content = tiny.case_content(folder)
    content["data"] = {"kind": "memory", "rows": rows}
    content["metrics"] = ["accuracy", "f1"]
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": ["majority"]}
    training = content["training"] | {"epochs": 4} | changes.pop("training", {})
    checkpoints = {"every_steps": every} if every else {"limit_gb": 0}
    return content | changes | {"training": training, "checkpoints": checkpoints}


@pytest.mark.parametrize(
    "family",
    [pytest.param(n, marks=pytest.mark.adapters) if n == "adapters" else n for n in FAMILIES],
)
def test_a_killed_run_ends_as_if_nothing_had_happened(
    family: str, processes: Nursery, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert len(FAMILIES) * KILLS == 20
    changes = dict(FAMILIES[family])
    model = request.getfixturevalue(changes.pop("model", "tiny_bert"))
    # the reference keeps no checkpoints: that they are kept must change nothing either
    assert processes.run(case_of(model, **changes), tmp_path / "whole") == 0
    expected = result_of(tmp_path / "whole")
    steps = len([event for event in expected["told"] if event[0] != "evaluation"])
    chance = random.Random(family)
    for kill in range(KILLS):
        folder = tmp_path / f"killed-{kill}"
        case = case_of(model, every=chance.randint(2, 7), **changes)
        at = chance.randint(1 + steps * kill // KILLS, steps * (kill + 1) // KILLS)
        assert processes.run(case, folder, steps=at) == signal.SIGKILL
        assert len(told(folder)) >= at
        assert processes.run(case, folder, resume=True) == 0
        assert result_of(folder) == expected
        record = RunDirectory(folder).read_record()
        assert len(record.resumed) == 1
        assert record.warnings == RunDirectory(tmp_path / "whole").read_record().warnings
        assert not (folder / "checkpoints").exists()


FAULTS = ["in_the_third_write", "in_the_evaluation", "in_the_saving"]


def test_a_run_killed_again_and_again(processes: Nursery, tiny_bert: Path, tmp_path: Path) -> None:
    """In the writing of a checkpoint, after a few steps, in the evaluation, in the saving."""
    case = case_of(tiny_bert, every=4)
    assert processes.run(case_of(tiny_bert), tmp_path / "whole") == 0
    folder = tmp_path / "killed"
    assert processes.run(case, folder, fault=FAULTS[0]) == signal.SIGKILL
    assert {path.name for path in (folder / "checkpoints").glob("0*")} == {"000001", "000002"}
    assert processes.run(case, folder, resume=True, steps=3) == signal.SIGKILL
    assert processes.run(case, folder, resume=True, steps=1) == signal.SIGKILL
    for fault in FAULTS[1:]:
        assert processes.run(case, folder, resume=True, fault=fault) == signal.SIGKILL
    assert processes.run(case, folder, resume=True) == 0
    assert result_of(folder) == result_of(tmp_path / "whole")
    record = RunDirectory(folder).read_record()
    steps = [each.step for each in record.resumed]
    assert steps == [8, 8, 8, 16, 16]
    spent = [each.seconds for each in record.resumed]
    assert spent == sorted(spent)
    assert record.seconds["total"] > spent[-1] > record.training["seconds"]


def test_a_run_killed_at_any_moment(processes: Nursery, tiny_bert: Path, tmp_path: Path) -> None:
    """From outside, wherever it is; before its first line too."""
    case = case_of(tiny_bert, every=3)
    assert processes.run(case, tmp_path / "whole") == 0
    folder = tmp_path / "killed"
    seconds = RunDirectory(tmp_path / "whole").read_record().seconds["total"]
    ended = processes.run(case, folder, seconds=0.3 * seconds)
    kills = [ended]
    while ended:
        seconds *= 1.3
        ended = processes.run(case, folder, resume=True, seconds=0.5 * seconds)
        kills.append(ended)
    assert kills[0] == signal.SIGKILL
    assert result_of(folder) == result_of(tmp_path / "whole")


def test_the_points_of_a_learning_curve_are_not_redone(
    processes: Nursery, tiny_bert: Path, tmp_path: Path
) -> None:
    case = case_of(tiny_bert, every=4, train_per_class=10, training={"epochs": 3})
    case["evaluation"]["learning_curve"] = [5, 8, 10]
    assert processes.run(case, tmp_path / "whole") == 0
    folder = tmp_path / "killed"
    # 6 steps of the run, 3 of the first point, and one of the second
    assert processes.run(case, folder, steps=10) == signal.SIGKILL
    points = sorted(folder.glob("curve/*/*/record.json"))
    assert len(points) == 2
    assert processes.run(case, folder, resume=True) == 0
    assert sorted(folder.glob("curve/*/*/record.json")) == points
    resumed = [len(RunDirectory(point.parent).read_record().resumed) for point in points]
    assert sorted(resumed) == [0, 1]
    assert result_of(folder)["learning_curve"] == result_of(tmp_path / "whole")["learning_curve"]
    assert RunDirectory(folder).read_record().resumed == ()
