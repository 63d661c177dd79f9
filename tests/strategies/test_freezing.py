"""What `freeze` freezes, and that frozen weights come out of a training as they went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preparing import prepare, run, trainable
from tunebook.errors import ConfigError, Problem
from tunebook.export import load_classifier
from tunebook.models.load import load_backbone

HEAD = {"head.linear.weight", "head.linear.bias"}


def freeze(**fields: Any) -> dict[str, Any]:
    return {"kind": "freeze", **fields}


def learning_parts(folder: Path, **fields: Any) -> set[str]:
    """Returns which of the tiny model's parts have something that learns."""
    names = trainable(prepare(folder, freeze(**fields)).model)
    parts = {"embeddings": ".embeddings.", "1": ".layer.0.", "2": ".layer.1.", "head": "head."}
    return {part for part, place in parts.items() if any(place in name for name in names)}


@pytest.mark.parametrize(
    ("fields", "learns"),
    [
        ({"layers": 0}, {"1", "2", "head"}),
        ({"layers": 1}, {"2", "head"}),
        ({"layers": -1}, {"2", "head"}),
        ({"layers": -2}, {"1", "2", "head"}),
        ({"layers": 2}, {"head"}),
        ({"layers": 0, "embeddings": False}, {"embeddings", "1", "2", "head"}),
        ({"layers": 1, "embeddings": False}, {"embeddings", "2", "head"}),
    ],
)
def test_layers_are_counted_from_the_bottom(
    tiny_bert: Path, fields: dict[str, Any], learns: set[str]
) -> None:
    assert learning_parts(tiny_bert, **fields) == learns


def test_a_frozen_layer_is_frozen_whole(tiny_bert: Path) -> None:
    model = prepare(tiny_bert, freeze(layers=1)).model
    names = {name for name, _ in model.named_parameters()}
    lower = {name for name in names if ".embeddings." in name or ".layer.0." in name}
    assert len(lower) == 5 + 16
    assert trainable(model) == names - lower


def test_a_final_norm_learns_with_the_head(tiny_gpt2: Path) -> None:
    prepared = prepare(tiny_gpt2, freeze(layers=2))
    assert trainable(prepared.model) == HEAD | {"backbone.ln_f.weight", "backbone.ln_f.bias"}
    assert not prepared.cache_features


@pytest.mark.parametrize(
    ("patterns", "frozen"),
    [
        (["backbone.encoder.layer.0"], 16),
        (["*.attention.*"], 20),
        (["*.LayerNorm.bias", "backbone.embeddings.*"], 4 + 5),
        (["backbone.encoder.layer.[01].output.dense.weight"], 2),
    ],
)
def test_patterns_name_modules_and_parameters(
    tiny_bert: Path, patterns: list[str], frozen: int
) -> None:
    fields = freeze(layers=0, embeddings=False, patterns=patterns)
    model = prepare(tiny_bert, fields).model
    assert len(list(model.parameters())) - len(trainable(model)) == frozen
    assert trainable(model) >= HEAD


@pytest.mark.parametrize(
    ("share", "learns"),
    [(0.3, {"1", "2", "head"}), (0.65, {"2", "head"}), (1.0, {"head"})],
)
def test_a_share_freezes_whole_layers_from_the_bottom(
    tiny_bert: Path, share: float, learns: set[str]
) -> None:
    """Embeddings are a sixth of the tiny model, each of the two layers five twelfths."""
    fields = {"layers": 0, "embeddings": False, "share": share}
    assert learning_parts(tiny_bert, **fields) == learns
    model = prepare(tiny_bert, freeze(**fields)).model
    sizes = [p.numel() for p in model.backbone.parameters()]
    frozen = [p.numel() for p in model.backbone.parameters() if not p.requires_grad]
    assert 0 < sum(frozen) <= share * sum(sizes)


def test_a_backbone_frozen_whole_is_computed_once(tiny_bert: Path, tmp_path: Path) -> None:
    assert not prepare(tiny_bert, freeze(layers=1)).cache_features
    assert prepare(tiny_bert, freeze(layers=2)).cache_features
    frozen = run(tiny_bert, tmp_path, freeze(layers=2))
    features = run(tiny_bert, tmp_path, "feature_extraction")
    texts = ["heart valve acute", "skin rash mild"]
    assert np.array_equal(frozen.classifier.logits(texts), features.classifier.logits(texts))


@pytest.mark.parametrize(
    ("strategy", "count"),
    [
        ({"kind": "freeze", "layers": 0}, 0),
        ({"kind": "freeze", "layers": 1}, 1),
        ({"kind": "freeze", "layers": 1, "embeddings": False}, 0),
        ({"kind": "freeze", "layers": 2}, 2),
        ({"kind": "freeze", "layers": 0, "patterns": ["*.layer.1"]}, 0),
        ({"kind": "gradual_unfreezing", "stages": [[-1]]}, 1),
        ({"kind": "gradual_unfreezing"}, 0),
        ({"kind": "discriminative", "rates": {"*.embeddings": 0, "*.layer.0": 0}}, 1),
        ({"kind": "discriminative", "rates": {"*.layer.0": 0}}, 0),
    ],
)
def test_lower_layers_that_stay_untouched_are_told(
    tiny_bert: Path, strategy: dict[str, Any], count: int
) -> None:
    """Their outputs may be computed once."""
    assert prepare(tiny_bert, strategy).frozen_layers == count


def test_frozen_weights_come_out_bit_for_bit(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, freeze(layers=1), weight_decay=0.5)
    model = load_classifier(trained.directory).model
    pretrained = dict(load_backbone(tiny_bert).named_parameters())
    same = {n for n, p in model.backbone.named_parameters() if torch.equal(p, pretrained[n])}
    # but for the keys' bias, which attention cannot see
    expected = {n for n in pretrained if ".layer.1." not in n}
    assert same - {"encoder.layer.1.attention.self.key.bias"} == expected
    assert len(expected) == 21


def problems_of(folder: Path, **fields: Any) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        prepare(folder, freeze(**fields))
    return caught.value.problems


@pytest.mark.parametrize("layers", [3, -3])
def test_more_layers_than_there_are(tiny_bert: Path, layers: int) -> None:
    (problem,) = problems_of(tiny_bert, layers=layers)
    assert problem.where == "strategy.layers"
    assert "the model has 2 layers" in problem.expected
    assert problem.found == str(layers)


def test_patterns_that_match_nothing_are_all_told(tiny_bert: Path) -> None:
    patterns = ["backbone.encoder.layers.0", "*.weight", "nothing.*", "head", ""]
    problems = problems_of(tiny_bert, patterns=patterns)
    assert [problem.code for problem in problems] == ["strategy.pattern"] * 4
    assert problems[0].fix == "did you mean `backbone.encoder.layer.0`?"
    assert problems[1].fix.startswith("use one of `backbone`")
    assert "`head`" in problems[2].found


def test_a_share_below_the_embeddings_freezes_nothing_and_says_so(tiny_bert: Path) -> None:
    (problem,) = problems_of(tiny_bert, share=0.01)
    assert problem.where == "strategy.share"
    assert problem.expected.startswith("at least 0.1")
