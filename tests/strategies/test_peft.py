"""Prompts, prefixes, factors and low ranks keep what every strategy keeps, on every family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch

from peft_models import (
    CLASSES,
    FP32,
    HOST,
    VARIANTS,
    build,
    case_of,
    padded,
    prepare,
    train_two_steps,
    vectors,
)
from tunebook.export import Classifier, load_classifier, save_classifier
from tunebook.models.load import load_tokenizer
from tunebook.models.resolve import resolve_model
from tunebook.runner import run_case
from tunebook.testing.fresh import call
from tunebook.training.precision import Precision

TEXTS = ["heart valve acute", "skin rash mild", "lung cough", "the of with"]
FAMILIES = ("bert", "roberta", "distilbert", "gpt2", "t5")
ILLEGAL = {"prefix_tuning": {"distilbert", "t5"}, "bitfit": {"t5"}}
LEGAL = [
    (variant, family)
    for variant, config in VARIANTS.items()
    for family in FAMILIES
    if family not in ILLEGAL.get(config["kind"], ())
]
SAVED = [(variant, family) for variant, family in LEGAL if family in ("bert", "gpt2", "t5")]
NOT_DRAWN = {"ia3", "text_prompt", "bitfit", "attention_biases", "feed_forward_biases"}
PROMPTED = [pair for pair in LEGAL if "tokens" in VARIANTS[pair[0]]]
EXPORTED = [pair for pair in SAVED if VARIANTS[pair[0]]["kind"] != "bitfit"]
ON_T5 = [variant for variant, family in LEGAL if family == "t5"]


def test_every_cell_of_the_table_is_run_or_refused() -> None:
    assert len(LEGAL) == 68
    assert len(SAVED) == 40
    assert len(PROMPTED) == 36
    assert len(EXPORTED) == 34
    assert len(ON_T5) == 10
    assert {config["kind"] for config in VARIANTS.values()} == {
        *("lora", "ia3", "prompt_tuning", "p_tuning", "prefix_tuning", "bitfit")
    }


@pytest.mark.parametrize(("variant", "family"), LEGAL)
def test_pretrained_weights_stay_and_the_rest_learns(
    models: dict[str, Path], variant: str, family: str
) -> None:
    plain = build(models[family], case_of(models[family], "full"))
    prepared = prepare(models[family], VARIANTS[variant])
    before = {n: p.detach().clone() for n, p in prepared.model.named_parameters()}
    train_two_steps(prepared)
    after = dict(prepared.model.named_parameters())
    changed = {n for n, p in after.items() if not torch.equal(p, before[n])}
    declared = {n for n, p in after.items() if p.requires_grad}
    assert {"head.linear.weight", "head.linear.bias"} < changed <= declared
    assert all(after[name].grad is not None for name in declared)
    pretrained = list(plain.backbone.parameters())
    frozen = [p for n, p in after.items() if n not in declared]
    learnt = len(declared) - 2 if VARIANTS[variant]["kind"] == "bitfit" else 0
    assert len(frozen) == len(pretrained) - learnt
    assert all(any(torch.equal(p, old) for old in pretrained) for p in frozen)


@pytest.mark.parametrize(("variant", "family"), PROMPTED)
def test_padding_changes_nothing(models: dict[str, Path], variant: str, family: str) -> None:
    model = prepare(models[family], VARIANTS[variant]).model
    short, long = [2, 7, 3], [2, 17, 18, 20, 21, 22, 3]
    together, alone = vectors(model, [short, long]), vectors(model, [short])
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert together.shape == (2, 32)


@pytest.mark.parametrize("variant", ON_T5)
def test_label_words_can_be_prompted(models: dict[str, Path], variant: str) -> None:
    prepared = prepare(models["t5"], VARIANTS[variant], head={"form": "label_words"})
    train_two_steps(prepared)
    short, long = [2, 7, 3], [2, 17, 18, 20, 21, 22, 3]
    with torch.no_grad():
        together = prepared.model(**padded([short, long]))
        alone = prepared.model(**padded([short]))
    assert torch.allclose(together[0], alone[0], atol=1e-4)
    assert together.shape == (2, len(CLASSES))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_seed_decides_what_is_drawn(models: dict[str, Path], variant: str) -> None:
    first, second, other = (
        dict(prepare(models["bert"], VARIANTS[variant], seed=seed).model.named_parameters())
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(p, second[n]) for n, p in first.items())
    differ = {n.split(".")[0] for n, p in first.items() if not torch.equal(p, other[n])}
    assert differ == ({"head"} if variant in NOT_DRAWN else {"head", "backbone"})


@pytest.mark.parametrize(("variant", "family"), SAVED)
def test_bf16_trains(models: dict[str, Path], variant: str, family: str) -> None:
    prepared = prepare(models[family], VARIANTS[variant])
    precision = Precision("bf16", "a test")
    train_two_steps(prepared, precision)
    with precision.autocast():
        values = vectors(prepared.model, [[2, 7, 8, 3]])
    assert torch.isfinite(values).all()
    exact = vectors(prepared.model, [[2, 7, 8, 3]])
    assert torch.nn.functional.cosine_similarity(values.float(), exact).item() > 0.99


@pytest.fixture(scope="module")
def saved(
    models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Path, Classifier]]:
    """Returns folder and classifier of every variant, trained for two steps and saved."""
    root, result = tmp_path_factory.mktemp("saved"), {}
    for variant, family in SAVED:
        case = case_of(models[family], VARIANTS[variant])
        prepared = prepare(models[family], VARIANTS[variant])
        train_two_steps(prepared)
        base = resolve_model(HOST.create("model", case.model).files())
        folder = root / f"{variant}-{family}"
        tokenizer = load_tokenizer(models[family])
        save_classifier(folder, prepared, tokenizer, case, CLASSES, base, FP32)
        classifier = Classifier(prepared.model, tokenizer, case, CLASSES, FP32)
        result[variant, family] = (folder, classifier)
    return result


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_logits(saved: Any) -> None:
    loaded = call("logits", {}, folders=[str(f) for f, _ in saved.values()], texts=list(TEXTS))
    assert len(loaded) == len(SAVED)
    for (folder, classifier), there in zip(saved.values(), loaded, strict=True):
        assert classifier.logits(TEXTS).tolist() == there, folder.name


@pytest.mark.parametrize(("variant", "family"), EXPORTED)
def test_peft_reads_what_it_is_written(
    saved: Any, models: dict[str, Path], variant: str, family: str
) -> None:
    folder, classifier = saved[variant, family]
    again = build(models[family], case_of(models[family], "full"))
    again.backbone = peft.PeftModel.from_pretrained(again.backbone, str(folder / "native"))
    rows = [[2, 7, 8, 3], [2, 17, 3]]
    assert torch.allclose(vectors(again, rows), vectors(classifier.model, rows), atol=1e-5)


@pytest.mark.parametrize("name", ["prompt_tuning", "p_tuning", "prefix_tuning", "ia3", "bitfit"])
def test_a_case_runs(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    case = case_of(tiny_bert, name)
    run = run_case(case, HOST, runs_dir=tmp_path, listeners=[])
    majority = next(b for b in run.report.baselines if b.name == "majority")
    assert run.report.scores["macro_f1"].value > majority.scores["macro_f1"].value
    assert 0 < run.record.parameters["share"] < 0.5


def test_a_text_starts_a_prompt_in_a_whole_run(tiny_bert: Path, tmp_path: Path) -> None:
    case = case_of(tiny_bert, VARIANTS["text_prompt"]).updated(training={"max_steps": 2})
    run = run_case(case, HOST, runs_dir=tmp_path, listeners=[])
    again = load_classifier(run.directory, HOST)
    assert np.array_equal(run.classifier.logits(TEXTS), again.logits(TEXTS))
