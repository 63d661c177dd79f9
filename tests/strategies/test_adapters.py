"""Adapters of every method keep what every strategy keeps, on every family of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from adapter_models import TEXTS, Saved, adapter, trained
from peft_models import (
    CLASSES,
    FP32,
    HOST,
    build,
    case_of,
    padded,
    prepare,
    problem_of,
    train_two_steps,
    vectors,
)
from tunebook.data.loading import load_dataset
from tunebook.errors import MachineError
from tunebook.export import load_classifier
from tunebook.subject import Subject
from tunebook.testing import fresh
from tunebook_plugins.strategies.adapter.methods import METHODS, MethodName, unknown_options

pytestmark = pytest.mark.adapters

FAMILIES = ("bert", "gpt2", "t5")
CELLS = [(method, family) for method in METHODS for family in FAMILIES]


@pytest.fixture(scope="module")
def saved(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saved]:
    """Saved models with one adapter, by method and family."""
    root = tmp_path_factory.mktemp("saved")
    return {
        f"{method}-{family}": trained(
            models[family], root / f"{method}-{family}", **adapter(method)
        )
        for method, family in CELLS
    }


def pretrained(folder: Path) -> list[torch.nn.Parameter]:
    return list(build(folder, case_of(folder, "full")).backbone.parameters())


def test_there_are_nine_methods() -> None:
    assert get_args(MethodName) == tuple(METHODS)
    assert len(METHODS) == 9
    assert len(CELLS) == 27


@pytest.mark.parametrize(("method", "family"), CELLS)
def test_only_the_adapter_and_the_head_learn(
    models: dict[str, Path], method: str, family: str
) -> None:
    prepared = prepare(models[family], adapter(method))
    before = {n: p.detach().clone() for n, p in prepared.model.named_parameters()}
    train_two_steps(prepared)
    after = dict(prepared.model.named_parameters())
    changed = {n for n, p in after.items() if not torch.equal(p, before[n])}
    declared = {n for n, p in after.items() if p.requires_grad}
    head = {"head.linear.weight", "head.linear.bias"}
    assert head < changed <= declared
    assert all(after[name].grad is not None for name in declared)
    frozen = [p for n, p in after.items() if n not in declared]
    originals = pretrained(models[family])
    assert len(frozen) == len(originals)
    assert all(any(torch.equal(p, old) for old in originals) for p in frozen)
    assert ("invertible_adapters" in str(declared)) == method.endswith("_inv")


@pytest.mark.parametrize(("method", "family"), CELLS)
def test_padding_changes_nothing_and_the_adapter_something(
    models: dict[str, Path], method: str, family: str
) -> None:
    model = prepare(models[family], adapter(method)).model
    short, long = [2, 7, 3], [2, 17, 18, 20, 21, 22, 3]
    plain = vectors(build(models[family], case_of(models[family], "full")), [short, long])
    with torch.no_grad():
        for name, parameter in model.backbone.named_parameters():
            if parameter.requires_grad:
                torch.manual_seed(len(name))
                parameter += 0.3 * torch.randn_like(parameter)
    together, alone = vectors(model, [short, long]), vectors(model, [short])
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert (together - plain).abs().max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_label_words_are_scored_through_adapters(models: dict[str, Path], method: str) -> None:
    prepared = prepare(models["t5"], adapter(method), head={"form": "label_words"})
    train_two_steps(prepared)
    with torch.no_grad():
        together = prepared.model(**padded([[2, 7, 3], [2, 17, 18, 20, 21, 22, 3]]))
        alone = prepared.model(**padded([[2, 7, 3]]))
    assert torch.allclose(together[0], alone[0], atol=1e-4)
    assert together.shape == (2, len(CLASSES))


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_the_start(models: dict[str, Path], method: str) -> None:
    first, second, other = (
        dict(prepare(models["bert"], adapter(method), seed=seed).model.named_parameters())
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(p, second[n]) for n, p in first.items())
    assert not all(torch.equal(p, other[n]) for n, p in first.items())


@pytest.mark.parametrize(("method", "family"), CELLS)
def test_what_was_trained_is_what_is_loaded(
    saved: dict[str, Saved], method: str, family: str
) -> None:
    place, logits = saved[f"{method}-{family}"]
    assert np.array_equal(load_classifier(place, HOST).logits(TEXTS), logits)


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_logits(saved: dict[str, Saved]) -> None:
    assert len(saved) == 27
    assert not [file for place, _ in saved.values() for file in place.rglob("*.bin")]
    folders = [str(place) for place, _ in saved.values()]
    there = fresh.call("logits", {}, folders=folders, texts=TEXTS)
    for (name, (_, logits)), again in zip(saved.items(), there, strict=True):
        assert logits.tolist() == again, name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_the_lowest_layers_carry_nothing(models: dict[str, Path], method: str, family: str) -> None:
    strategy = adapter(method, drop_layers=1)
    dropped = prepare(models[family], strategy).model
    whole = prepare(models[family], adapter(method)).model
    count = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (dropped, whole)]
    assert count[0] < count[1]
    lowest = ("encoder.layer.0.", "h.0.", "encoder.block.0.")
    learning = [n for n, p in dropped.backbone.named_parameters() if p.requires_grad]
    # prefixes of all layers are kept in one pool, which hangs on every layer
    assert not [n for n in learning if n.startswith(lowest) and ".pool." not in n]


def test_options_reach_the_library(models: dict[str, Path]) -> None:
    strategy = adapter("seq_bn", reduction_factor=8, non_linearity="tanh", name="mine")
    config = prepare(models["bert"], strategy).model.backbone.adapters_config.get("mine")
    assert (config["reduction_factor"], config["non_linearity"]) == (8, "tanh")
    own = prepare(models["bert"], adapter("par_bn")).model.backbone.adapters_config.get("task")
    assert own["reduction_factor"] == 2


def test_an_option_of_another_method_is_refused() -> None:
    given = {name: 4 for method in METHODS.values() for name in method.options}
    assert len(unknown_options("ia3", given)) == 5
    problem = problem_of(case_of, Path("bert"), adapter("ia3", r=4))
    assert problem.where == "strategy"
    assert "`ia3` has no r, which is an option of lora" in problem.expected


@pytest.mark.parametrize(
    ("strategy", "code", "where"),
    [
        (adapter(drop_layers=2), "strategy.drop_layers", "strategy.drop_layers"),
        (adapter("lora", r=33), "strategy.rank", "strategy.r"),
        (
            adapter("compacter", reduction_factor=16),
            "strategy.reduction_factor",
            "strategy.reduction_factor",
        ),
        (adapter(name="train"), "strategy.name", "strategy.name"),
    ],
)
def test_what_does_not_fit_the_model_is_told(
    models: dict[str, Path], strategy: dict[str, Any], code: str, where: str
) -> None:
    problem = problem_of(prepare, models["bert"], strategy)
    assert (problem.code, problem.where) == (code, where)


def test_a_prefix_longer_than_the_window_is_told(models: dict[str, Path]) -> None:
    case = case_of(models["gpt2"], adapter("prefix_tuning", prefix_length=49))
    problem = problem_of(Subject.build(case, HOST, load_dataset(case, HOST), FP32).prepare)
    assert (problem.code, problem.where) == ("strategy.prompt_too_long", "strategy.prefix_length")
    assert problem.fix == "lower it, or lower text.max_tokens by 1"


def test_a_name_that_no_file_system_takes_is_no_run(models: dict[str, Path]) -> None:
    earlier = {"adapters": {"a": {"run": "x" * 5000}}, "composition": {"stack": ["a", "task"]}}
    problem = problem_of(prepare, models["bert"], adapter(**earlier))
    assert problem.code == "run.unknown"
    assert len(str(problem)) < 1000


def test_an_old_config_still_works(models: dict[str, Path]) -> None:
    old = {"kind": "adapter", "method": "seq_bn", "reduction_factor": 16.0, "name": "task"}
    model = prepare(models["bert"], old).model
    same = prepare(models["bert"], "adapter").model
    assert [*dict(model.named_parameters())] == [*dict(same.named_parameters())]


def test_a_missing_library_is_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tunebook.discovery._installed", lambda module: module != "adapters")
    with pytest.raises(MachineError) as caught:
        case_of(Path("no_such_model"), adapter())
    (problem,) = caught.value.problems
    assert problem.code == "environment.missing_package"
    assert problem.fix == 'pip install "tunebook[adapters]"'
