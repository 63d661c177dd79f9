"""The range test reads a curve rightly, sweeps the case's own strategy, and leaves no trace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from preparing import HOST, changed, copies, prepare, trainable
from tiny import case_content
from tunebook.config import TrainingConfig
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError
from tunebook.evaluation.canvas import to_png
from tunebook.evaluation.rate_figure import rate_curve
from tunebook.rates import find_learning_rate
from tunebook.schema import CaseSchema
from tunebook.training.inputs import TokenInputs
from tunebook.training.loop import TrainingJob
from tunebook.training.precision import Precision
from tunebook.training.rate_finder import RateFinderResult, read_curve, smooth, sweep_rates

OWN = {"learning_rate": 1e-3, "head_learning_rate": 4e-3}


def job_of(prepared: Prepared, folder: Path, **config: Any) -> TrainingJob:
    ids = [[2, 7 + 9 * (n % 3) + n % 5, 20, 3] for n in range(24)]
    inputs = TokenInputs(ids, np.arange(24), np.arange(24) % 3, 0)
    return TrainingJob(
        prepared=prepared,
        train=inputs,
        validation=inputs,
        score=lambda _: {},
        primary="macro_f1",
        config=TrainingConfig(batch_size=8, **(OWN | config)),
        precision=Precision("fp32", "a test"),
        seed=0,
        folder=folder,
    )


def valley(rates: np.ndarray, lowest: float) -> list[float]:
    """Returns losses that fall to `lowest` and rise again, as over a logarithmic axis."""
    return [float(2 - np.exp(-(np.log10(rate / lowest) ** 2))) for rate in rates]


def read(rates: Any, losses: Any) -> RateFinderResult:
    return read_curve(rates, losses, exploded=False, learning_rate=1e-3, head_learning_rate=4e-3)


def test_a_running_mean_begins_with_the_first_loss() -> None:
    assert smooth([3.0]) == pytest.approx([3.0])
    assert smooth([2.0] * 9) == pytest.approx([2.0] * 9)
    # the weights of two losses, 0.9 and 1, over their sum
    assert smooth([1.0, 0.0])[1] == pytest.approx(0.9 / 1.9)
    assert smooth([]) == []


def test_the_suggestion_is_before_the_lowest_loss() -> None:
    rates = np.geomspace(1e-6, 1, 601)
    result = read(rates, valley(rates, 1e-3))
    # the running mean lags by a tenth of a decade, and the valley is steepest 0.7 decades before
    assert result.steepest == pytest.approx(10 ** (-3 - 0.71 + 0.1), rel=0.2)
    assert result.tenth_of_lowest == pytest.approx(10 ** (-4 + 0.1), rel=0.2)
    assert result.learning_rate == min(result.steepest, result.tenth_of_lowest)
    assert result.scale == pytest.approx(result.learning_rate / 1e-3)
    assert result.head_learning_rate == pytest.approx(4 * result.learning_rate)


def test_the_noise_of_the_first_batches_suggests_nothing() -> None:
    """Two easy batches at the start are a steeper descent than learning ever is."""
    rates = np.geomspace(1e-7, 1, 100)
    losses = valley(rates, 1e-3)
    noisy = [losses[0] + 1, *losses[1:]]
    assert read(rates, noisy).steepest == pytest.approx(read(rates, losses).steepest, rel=0.2)
    flat = read(rates, [1.1, 0.9, *np.linspace(1, 2, 98)])
    assert flat.learning_rate is flat.steepest is flat.tenth_of_lowest is None


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    rates = np.geomspace(1e-3, 1, 20)
    result = read(rates, list(np.linspace(1, 9, 20)))
    assert result.losses[-1] == 9
    assert result.learning_rate is result.steepest is result.tenth_of_lowest is None
    assert result.scale is result.head_learning_rate is None


def test_a_result_is_json(tmp_path: Path) -> None:
    rates = np.geomspace(1e-6, 1, 30)
    result = read(rates, valley(rates, 1e-2))
    content = json.loads(json.dumps(result.to_dict()))
    assert content["rates"] == pytest.approx(list(rates))
    assert content["learning_rate"] == result.learning_rate


@pytest.mark.parametrize("strategy", ["full", "lora", "layerwise_decay", "gradual_unfreezing"])
def test_every_weight_is_put_back(tiny_bert: Path, tmp_path: Path, strategy: str) -> None:
    prepared = prepare(tiny_bert, strategy, **OWN)
    before, learning = copies(prepared.model), trainable(prepared.model)
    prepared.model.eval()
    result = sweep_rates(job_of(prepared, tmp_path), steps=12, low=1e-5, high=1e-2)
    assert len(result.losses) == 12
    assert changed(prepared.model, before) == set()
    assert trainable(prepared.model) == learning
    assert all(parameter.grad is None for parameter in prepared.model.parameters())
    assert not prepared.model.training
    assert list(tmp_path.iterdir()) == []


def test_groups_keep_their_ratios_while_the_rate_rises(tiny_bert: Path, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []

    class Watch(TrainerCallback):
        def on_pre_optimizer_step(self, *_: Any, optimizer: Any, **__: Any) -> None:
            seen.append({group["name"]: group["lr"] for group in optimizer.param_groups})

    prepared = prepare(tiny_bert, {"kind": "layerwise_decay", "decay": 0.5}, **OWN)
    watched = replace(prepared, callbacks=[Watch()])
    config = {"schedule": "linear", "warmup": 0.5}
    sweep_rates(job_of(watched, tmp_path, **config), steps=11, low=1e-5, high=1e-3)
    rates = np.geomspace(1e-5, 1e-3, 11)
    assert [step["layer 2"] for step in seen] == pytest.approx(rates / 2)
    assert [step["embeddings"] for step in seen] == pytest.approx(rates / 8)
    assert [step["head"] for step in seen] == pytest.approx(rates * 4)


def test_a_loss_that_explodes_ends_the_test(tiny_bert: Path, tmp_path: Path) -> None:
    prepared = prepare(tiny_bert, "full", **OWN)
    result = sweep_rates(job_of(prepared, tmp_path), steps=80, low=1e-5, high=1e3)
    assert result.exploded
    assert 10 < len(result.losses) < 80
    assert len(result.rates) == len(result.losses) == len(result.smoothed)
    assert np.isfinite(result.losses).all()
    assert result.smoothed[-1] > 4 * min(result.smoothed)


def test_a_loss_that_is_no_number_ends_the_test(tiny_bert: Path, tmp_path: Path) -> None:
    prepared = prepare(tiny_bert, "full", **OWN)
    with torch.no_grad():
        prepared.model.head.linear.bias.fill_(torch.nan)
    result = sweep_rates(job_of(prepared, tmp_path), steps=10, low=1e-5, high=1e-3)
    assert result.exploded
    assert result.losses == ()
    assert result.learning_rate is None


def test_a_case_gets_a_rate_that_its_strategy_can_bear(tiny_bert: Path) -> None:
    case = CaseSchema(HOST).validate(case_content(tiny_bert, strategy="full"))
    first, second = (find_learning_rate(case, HOST, steps=40, low=1e-5) for _ in range(2))
    assert first == second
    assert 1e-5 < first.learning_rate < 0.1
    assert first.head_learning_rate == pytest.approx(first.learning_rate)
    assert first._repr_png_().startswith(b"\x89PNG")
    assert first.figure().axes[0].get_xscale() == "log"


def test_features_of_a_frozen_backbone_are_swept_too(tiny_bert: Path) -> None:
    case = CaseSchema(HOST).validate(case_content(tiny_bert, strategy="feature_extraction"))
    assert len(find_learning_rate(case, HOST, steps=10, high=1e-3).losses) == 10


@pytest.mark.slow
def test_the_rate_is_sought_for_the_pretrained_model(tiny_bert: Path) -> None:
    """Its task stage starts from another backbone, and has another first loss."""
    plain = CaseSchema(HOST).validate(case_content(tiny_bert, strategy="full"))
    pretrained = plain.updated(pretraining={"epochs": 2, "learning_rate": 3e-3})
    first, second, other = (
        find_learning_rate(case, HOST, steps=10, high=1e-3).losses[0]
        for case in (plain, plain, pretrained)
    )
    assert first == second
    assert abs(other - first) > 1e-4


def test_a_range_that_makes_no_sense_is_told(tiny_bert: Path) -> None:
    case = CaseSchema(HOST).validate(case_content(tiny_bert))
    with pytest.raises(ConfigError) as caught:
        find_learning_rate(case, HOST, steps=5, low=0.0, high=-1.0)
    assert [problem.where for problem in caught.value.problems] == ["steps", "low", "high"]


def titles(result: RateFinderResult) -> str:
    figure = rate_curve(result.to_dict())
    assert to_png(figure).startswith(b"\x89PNG")
    return str(figure.axes[0].get_title(loc="left"))


def test_the_picture_says_what_is_suggested() -> None:
    rates = np.geomspace(1e-6, 1, 60)
    result = read(rates, valley(rates, 1e-2))
    assert titles(result) == f"Suggested learning rate: {result.learning_rate:.1e}"
    assert "does not fall" in titles(read(rates, list(np.linspace(1, 9, 60))))
    assert "does not fall" in titles(read([], []))
