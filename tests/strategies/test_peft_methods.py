"""Each peft method is what its paper says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from peft_models import VARIANTS, build, case_of, prepare, train_two_steps, vectors
from tunebook.models.load import load_backbone, load_tokenizer

FAMILIES = ("bert", "roberta", "distilbert", "gpt2")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_of_words_reads_like_those_words(models: dict[str, Path], family: str) -> None:
    strategy = {"kind": "prompt_tuning", "tokens": 2, "init": "text", "text": "heart lung"}
    prompted = prepare(models[family], strategy).model
    words = load_tokenizer(models[family]).encode("heart lung", add_special_tokens=False)
    text = [2, 17, 18, 20, 3]
    ids = torch.tensor([[*words, *text]])
    with torch.no_grad():
        states = load_backbone(models[family])(input_ids=ids).last_hidden_state[:, 2:]
    plain = prompted.pool(states, torch.ones(1, len(text), dtype=torch.long))
    assert torch.allclose(vectors(prompted, [text]), plain, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_knowledge_stands_as_words_between_prompt_and_text(
    models: dict[str, Path], family: str
) -> None:
    written = {"kind": "prompt_tuning", "tokens": 4, "init": "text", "text": "heart lung skin rash"}
    parted = written | {"tokens": 2, "text": "heart lung", "knowledge": "skin rash"}
    one, two = (prepare(models[family], strategy).model for strategy in (written, parted))
    text = [[2, 17, 18, 20, 3]]
    assert torch.equal(vectors(one, text), vectors(two, text))


def test_knowledge_stays_while_the_prompt_learns(models: dict[str, Path]) -> None:
    prepared = prepare(models["bert"], VARIANTS["knowing_prompt"])
    rows = prepared.model.backbone.prompt_encoder["default"].embedding
    before = rows.weight.detach().clone()
    train_two_steps(prepared)
    assert rows.weight.shape == (5 + 2, 32)
    assert not torch.equal(rows.weight[:5], before[:5])
    assert torch.equal(rows.weight[5:], before[5:])
    learnt = [n for n, p in prepared.model.backbone.named_parameters() if p.requires_grad]
    assert learnt == ["prompt_encoder.default.embedding.learnt"]
    assert rows.learnt.shape == (5, 32)


def test_a_prefix_of_words_reads_like_those_words(models: dict[str, Path]) -> None:
    """With a decoder the keys and values of words are all that a later text can see of them."""
    prefixed = prepare(models["gpt2"], {"kind": "prefix_tuning", "tokens": 4}).model
    torch.manual_seed(0)
    build(models["gpt2"], case_of(models["gpt2"], "full"))  # draws the head, as `prepare` did
    words = torch.randint(len(tiny.vocabulary()), (4,)).tolist()
    text = [2, 17, 18, 20, 3]
    with torch.no_grad():
        states = load_backbone(models["gpt2"])(input_ids=torch.tensor([[*words, *text]]))
    assert torch.allclose(vectors(prefixed, [text]), states.last_hidden_state[:, -1], atol=1e-5)


def test_vocabulary_and_text_give_the_start_of_a_prompt(models: dict[str, Path]) -> None:
    table = load_backbone(models["bert"]).get_input_embeddings().weight
    drawn, written = (
        prepare(models["bert"], VARIANTS[v]).model.backbone.prompt_encoder["default"].embedding
        for v in ("word_prompt", "text_prompt")
    )
    assert all(any(torch.equal(row, word) for word in table) for row in drawn.weight)
    words = load_tokenizer(models["bert"]).encode("heart lung", add_special_tokens=False)
    assert torch.equal(written.weight, table[[*words, *words, words[0]]])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("variant", ["rslora", "dora", "lora_plus", "ia3"])
def test_an_untrained_update_changes_nothing(
    models: dict[str, Path], variant: str, family: str
) -> None:
    plain = build(models[family], case_of(models[family], "full"))
    adapted = prepare(models[family], VARIANTS[variant]).model
    rows = [[2, 7, 8, 3]]
    assert torch.allclose(vectors(adapted, rows), vectors(plain, rows), atol=1e-5)


def test_rslora_divides_by_the_root_of_the_rank(models: dict[str, Path]) -> None:
    for rslora, scale in ((False, 32 / 4), (True, 32 / 2)):
        strategy = {"kind": "lora", "r": 4, "rslora": rslora}
        modules = prepare(models["bert"], strategy).model.modules()
        scalings = [getattr(module, "scaling", None) for module in modules]
        scales = [scaling["default"] for scaling in scalings if isinstance(scaling, dict)]
        assert scales == [scale] * 12


def test_dora_learns_a_length_for_every_layer(models: dict[str, Path]) -> None:
    names = [n for n, _ in prepare(models["bert"], VARIANTS["dora"]).model.named_parameters()]
    assert sum("magnitude" in name for name in names) == 12


def test_lora_plus_raises_the_rate_of_b_alone(models: dict[str, Path]) -> None:
    prepared = prepare(models["bert"], VARIANTS["lora_plus"])
    names = {id(p): n for n, p in prepared.model.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in prepared.groups for p in group["params"]}
    assert {r for n, r in rates.items() if "lora_B" in n} == {16 * 3e-3}
    assert {r for n, r in rates.items() if "lora_B" not in n} == {3e-3}
    assert len(rates) == 4 * 2 + 2  # A and B of query and value in two layers; the head


def test_factors_are_never_pulled_to_zero(models: dict[str, Path]) -> None:
    prepared = prepare(models["bert"], "ia3")
    names = {id(p): n for n, p in prepared.model.named_parameters()}
    decays = {
        names[id(p)]: group["weight_decay"] for group in prepared.groups for p in group["params"]
    }
    assert {d for n, d in decays.items() if "ia3_" in n} == {0.0}
    assert decays["head.linear.weight"] == 0.01


@pytest.mark.parametrize(
    ("family", "targets", "count"),
    [
        ("bert", "all", 2 * 8 + 1),
        ("bert", "attention", 2 * 4),
        ("bert", "feed_forward", 2 * 2),
        ("distilbert", "attention", 2 * 4),
        ("distilbert", "feed_forward", 2 * 2),
        ("gpt2", "all", 2 * 6 + 1),
        ("gpt2", "attention", 2 * 2),
        ("gpt2", "feed_forward", 2 * 2),
        ("bart", "all", 2 * 8 + 2 * 13 + 2),
        ("bart", "attention", 2 * 4 + 2 * 8),
        ("bart", "feed_forward", 2 * 2 + 2 * 2),
    ],
)
def test_bitfit_trains_the_biases_it_names(
    models: dict[str, Path], family: str, targets: str, count: int
) -> None:
    model = prepare(models[family], {"kind": "bitfit", "targets": targets}).model
    trained = [n for n, p in model.backbone.named_parameters() if p.requires_grad]
    assert all(name.endswith(".bias") for name in trained)
    assert len(trained) == count


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("prompt_tuning", "albert"),
        ("p_tuning", "albert"),
        ("prompt_tuning", "electra"),
        ("p_tuning", "electra"),
        ("prefix_tuning", "electra"),
    ],
)
def test_embeddings_may_be_narrower_than_states(
    models: dict[str, Path], kind: str, family: str
) -> None:
    model = prepare(models[family], {"kind": kind, "tokens": 3}).model
    assert vectors(model, [[2, 7, 3]]).shape == (1, 32)
