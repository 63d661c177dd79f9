"""What the peft strategies refuse, and how they say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from peft_models import FP32, HOST, case_of, prepare, problem_of, vectors
from tunebook.config import CaseConfig
from tunebook.data.loading import load_dataset
from tunebook.legality import Setting, legality
from tunebook.subject import Subject


def subject_of(case: CaseConfig) -> Subject:
    return Subject.build(case, HOST, load_dataset(case, HOST), FP32)


@pytest.mark.parametrize(
    ("kind", "family"),
    [("prefix_tuning", "distilbert"), ("prefix_tuning", "t5"), ("bitfit", "t5")],
)
def test_an_architecture_that_cannot_is_refused(
    models: dict[str, Path], kind: str, family: str
) -> None:
    problem = problem_of(prepare, models[family], kind)
    assert problem.code == "strategy.architecture"
    assert family in problem.found


def test_what_t5_cannot_is_known_before_it_is_loaded() -> None:
    told = legality(HOST, Setting("encoder_decoder", "linear", "t5"))
    assert told["prefix_tuning"]
    assert told["bitfit"]
    assert not any(told[name] for name in ("lora", "ia3", "prompt_tuning", "p_tuning"))


def test_bitfit_is_legal_where_there_are_biases() -> None:
    told = {
        architecture: legality(HOST, Setting(family, form, architecture))["bitfit"]
        for family, form, architecture in [
            ("encoder_decoder", "label_words", "bart"),
            ("encoder_decoder", "linear", "t5"),
            ("decoder", "linear", "gpt2"),
            ("decoder", "linear", "llama"),
        ]
    }
    assert {name for name, why in told.items() if not why} == {"bart", "gpt2"}
    assert told["t5"] == "it doesn't work on t5, which has no biases"


@pytest.mark.parametrize("strategy", [{"kind": "lora", "targets": "attention"}, {"kind": "ia3"}])
def test_without_default_targets_the_names_are_listed(
    models: dict[str, Path], strategy: Any
) -> None:
    problem = problem_of(prepare, models["albert"], strategy)
    assert problem.code == "strategy.target"
    assert "albert" in problem.found
    assert "key" in problem.fix
    assert "ffn_output" in problem.fix


@pytest.mark.parametrize("kind", ["lora", "ia3"])
@pytest.mark.parametrize(
    ("target", "fix"),
    [("qery", "did you mean `query`?"), ("rubbish", "use one of"), ("output.query", "")],
)
def test_targets_that_match_nothing_are_told(
    models: dict[str, Path], kind: str, target: str, fix: str
) -> None:
    strategy = {"kind": kind, "targets": ["value", target]}
    problem = problem_of(prepare, models["bert"], strategy)
    assert problem.code == "strategy.target"
    assert problem.found == f"`{target}`"
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_no_targets_at_all_are_told(models: dict[str, Path], kind: str) -> None:
    problem = problem_of(prepare, models["bert"], {"kind": kind, "targets": []})
    assert (problem.code, problem.found) == ("strategy.target", "nothing")


def test_a_rank_above_a_layer_is_refused(models: dict[str, Path]) -> None:
    prepare(models["bert"], {"kind": "lora", "r": 32})
    problem = problem_of(prepare, models["bert"], {"kind": "lora", "r": 33})
    assert problem.code == "strategy.rank"
    assert "at most 32" in problem.expected
    assert "query` is 32 × 32" in problem.expected


@pytest.mark.parametrize("kind", ["prompt_tuning", "p_tuning", "prefix_tuning"])
def test_a_prompt_that_leaves_no_room_for_texts_is_refused(tiny_bert: Path, kind: str) -> None:
    fits, too_long = (
        case_of(tiny_bert, {"kind": kind, "tokens": 20}, text={"max_tokens": tokens})
        for tokens in (44, 45)
    )
    model = subject_of(fits).prepare().model
    assert torch.isfinite(vectors(model, [[7] * 44])).all()
    problem = problem_of(subject_of(too_long).prepare)
    assert problem.code == "strategy.prompt_too_long"
    assert problem.expected.startswith("at most 19")
    assert problem.fix.endswith("by 1")


def test_knowledge_that_leaves_no_room_is_refused(tiny_bert: Path) -> None:
    knowledge = {"kind": "prompt_tuning", "tokens": 17, "knowledge": "heart lung skin"}
    fits, too_long = (
        case_of(tiny_bert, knowledge, text={"max_tokens": tokens}) for tokens in (44, 45)
    )
    subject_of(fits).prepare()
    problem = problem_of(subject_of(too_long).prepare)
    assert (problem.code, problem.where) == ("strategy.prompt_too_long", "strategy.knowledge")
    assert problem.found == "3 tokens, beside strategy.tokens=17"
    assert problem.fix == "shorten it, or lower text.max_tokens by 1"


@pytest.mark.parametrize(
    "strategy",
    [
        {"kind": "prompt_tuning", "init": "text"},
        {"kind": "prompt_tuning", "text": "heart"},
        {"kind": "ia3", "targets": ["key"], "feed_forward": ["dense"]},
        {"kind": "ia3", "feed_forward": ["dense"]},
        {"kind": "lora", "plus_ratio": 0.5},
    ],
)
def test_settings_that_contradict_one_another_are_refused(tiny_bert: Path, strategy: Any) -> None:
    problem = problem_of(case_of, tiny_bert, strategy)
    assert problem.where.startswith("strategy")
    assert "Value error" not in problem.expected  # pydantic's words for our own sentences


def test_a_text_longer_than_its_prompt_is_refused(models: dict[str, Path]) -> None:
    strategy = {"kind": "prompt_tuning", "init": "text", "tokens": 2, "text": "heart lung skin"}
    problem = problem_of(prepare, models["bert"], strategy)
    assert (problem.code, problem.found) == ("strategy.prompt_text", "3 tokens")
    assert problem.fix == "set strategy.tokens=3"
