"""Encoder–decoders classify by a vector, or by how likely they find a class's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from tunebook.config import HeadConfig
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.models.load import load_tokenizer
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.tasks.build import build_classifier, head_form

HOST = PluginHost()
CLASSES = ("heart", "lung", "skin")
TEXTS = ["heart valve acute", "skin rash mild with wound", "lung cough"]


def run(folder: Path, runs: Path, **changes: Any) -> Run:
    case = CaseSchema(HOST).validate(tiny.case_content(folder, **changes))
    return run_case(case, HOST, runs_dir=runs, listeners=[])


def label_word_model(folder: Path, **head: Any) -> Any:
    return build_classifier(folder, load_tokenizer(folder), CLASSES, HeadConfig(**head)).eval()


def test_label_words_are_what_auto_takes(tiny_t5: Path, tmp_path: Path) -> None:
    trained = run(tiny_t5, tmp_path)
    assert type(trained.classifier.model).__name__ == "LabelWordClassifier"
    assert trained.report.scores["macro_f1"].value > 0.8  # three topics with words of their own


@pytest.mark.parametrize("pooling", ["auto", "mean", "decoder"])
def test_a_linear_head_takes_states_of_either_side(
    tiny_t5: Path, tmp_path: Path, pooling: str
) -> None:
    trained = run(tiny_t5, tmp_path, head={"form": "linear", "pooling": pooling})
    assert trained.report.scores["macro_f1"].value > 0.8


@pytest.mark.slow
def test_a_saved_model_gives_the_same_logits(tiny_t5: Path, tmp_path: Path) -> None:
    trained = run(tiny_t5, tmp_path, head={"label_words": {"heart": "pulse beat"}})
    here = trained.classifier.logits(TEXTS)
    assert np.array_equal(here, load_classifier(trained.directory).logits(TEXTS))


@pytest.mark.parametrize("form", ["linear", "label_words"])
def test_logits_do_not_depend_on_padding(tiny_t5: Path, form: str) -> None:
    model = label_word_model(tiny_t5, form=form)
    ids = torch.tensor([[2, 9, 12, 3]])
    padded = torch.tensor([[2, 9, 12, 3, 0, 0, 0], [2, 7, 8, 9, 10, 11, 3]])
    with torch.inference_mode():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        together = model(input_ids=padded, attention_mask=(padded != 0).long())
    assert torch.allclose(alone[0], together[0], atol=1e-5)


def test_a_score_is_the_mean_likelihood_of_the_words(tiny_t5: Path) -> None:
    """Against the model's own loss on each class's words, one text and one class at a time."""
    words = {"heart": "cardiac rhythm", "lung": "lung", "skin": "itch burn scar"}
    model = label_word_model(tiny_t5, label_words=words)
    tokenizer = load_tokenizer(tiny_t5)
    ids = torch.tensor([tokenizer.encode("acute valve with pulse")])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        scores = model(input_ids=ids, attention_mask=mask)[0]
        expected = [
            -model.backbone(
                input_ids=ids,
                attention_mask=mask,
                labels=torch.tensor(
                    [[*tokenizer.encode(words[name], add_special_tokens=False), 3]]
                ),
            ).loss.item()
            for name in CLASSES
        ]
    assert len(expected) == 3
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)


def test_the_decoder_sees_a_prompt_that_a_strategy_puts_before_the_text(tiny_t5: Path) -> None:
    """Against the loss that peft's own forward pass gives for each class's words."""
    peft = pytest.importorskip("peft")
    model = label_word_model(tiny_t5)
    tokenizer = load_tokenizer(tiny_t5)
    config = peft.PromptTuningConfig(
        task_type="FEATURE_EXTRACTION",
        num_virtual_tokens=3,
        token_dim=32,
        num_layers=2,
        num_attention_heads=2,
        num_transformer_submodules=1,
    )
    model.backbone = peft.get_peft_model(model.backbone, config)
    with torch.no_grad():  # a prompt that weighs something
        model.backbone.prompt_encoder["default"].embedding.weight.mul_(20)
    model.eval()
    ids = torch.tensor([tokenizer.encode("acute valve with pulse")])
    with torch.inference_mode():
        scores = model(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        expected = [
            -model.backbone(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                labels=torch.tensor([[*tokenizer.encode(name, add_special_tokens=False), 3]]),
            ).loss.item()
            for name in CLASSES
        ]
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "decoder"])
def test_a_vector_comes_from_the_side_that_is_asked(tiny_t5: Path, pooling: str) -> None:
    model = label_word_model(tiny_t5, form="linear", pooling=pooling)
    ids = torch.tensor([[2, 9, 12, 17, 3]])
    mask, start = torch.ones_like(ids), torch.tensor([[0]])
    with torch.inference_mode():
        output = model.backbone(input_ids=ids, attention_mask=mask, decoder_input_ids=start)
        sides = {
            "mean": output.encoder_last_hidden_state.mean(dim=1),
            "decoder": output.last_hidden_state[:, 0],
        }
        found = model.encode(ids, mask)
    assert not torch.allclose(sides["mean"], sides["decoder"], atol=1e-3)
    assert torch.allclose(found, sides[pooling], atol=1e-6)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ({"form": "label_words", "init": "probe"}, "head.form"),
        ({"label_words": {"hart": "pulse"}}, "config.label_words"),
        ({"label_words": {"heart": "lung"}}, "config.label_words"),
    ],
)
def test_a_head_that_cannot_be_is_refused(tiny_t5: Path, head: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        label_word_model(tiny_t5, **head)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_only_encoder_decoders_have_label_words(tiny_bert: Path, tiny_gpt2: Path) -> None:
    for folder, word in ((tiny_bert, "an encoder"), (tiny_gpt2, "a decoder")):
        with pytest.raises(ConfigError, match=f"`label_words` with {word}"):
            label_word_model(folder, form="label_words")
        with pytest.raises(ConfigError, match=f"`decoder` with {word}"):
            label_word_model(folder, pooling="decoder")


def test_a_probe_makes_auto_take_a_linear_layer() -> None:
    assert head_form(HeadConfig(init="probe"), "encoder_decoder") == "linear"
    assert head_form(HeadConfig(), "encoder_decoder") == "label_words"
    assert head_form(HeadConfig(), "decoder") == "linear"


def test_a_frozen_backbone_cannot_learn_words(tiny_t5: Path, tmp_path: Path) -> None:
    """Refused before anything is loaded, data included, with what is legal instead."""
    unread = {"kind": "csv", "path": str(tmp_path / "no_such_file.csv")}
    with pytest.raises(ConfigError) as caught:
        run(tiny_t5, tmp_path, strategy="feature_extraction", data=unread)
    (problem,) = caught.value.problems
    assert problem.code == "strategy.illegal"
    assert "full" in problem.fix
    assert "head.form=linear" in problem.fix
    trained = run(tiny_t5, tmp_path, strategy="feature_extraction", head={"form": "linear"})
    assert trained.record.status == "succeeded"
