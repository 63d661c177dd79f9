"""Dropout drops the share it says, keeps the expectation, and follows torch's seed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunebook.training.dropout import PackedDropout, packed_dropout


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_is_dropped_and_the_rest_is_scaled(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    output = PackedDropout(p)(torch.ones(1001, 333, dtype=dtype)).float()
    dropped = (output == 0).float().mean().item()
    assert dropped == pytest.approx(p, abs=0.005)
    assert output.unique().numel() == 2
    assert output.mean().item() == pytest.approx(1.0, abs=0.02)


def test_neighbours_are_dropped_independently() -> None:
    """Four elements share a draw; none may follow from another."""
    torch.manual_seed(0)
    kept = PackedDropout(0.5)(torch.ones(400_000)).view(-1, 4) != 0
    correlations = torch.corrcoef(kept.T.float())
    assert correlations.shape == (4, 4)
    assert (correlations - torch.eye(4)).abs().max() < 0.02


def test_what_is_dropped_gets_no_gradient() -> None:
    torch.manual_seed(0)
    inputs = torch.ones(1000, requires_grad=True)
    output = PackedDropout(0.3)(inputs)
    output.sum().backward()
    assert torch.equal(inputs.grad, output.detach())


def test_the_seed_decides_and_prediction_drops_nothing() -> None:
    layer, inputs = PackedDropout(0.2), torch.rand(999)
    torch.manual_seed(1)
    first = layer(inputs)
    assert not torch.equal(first, layer(inputs))
    torch.manual_seed(1)
    assert torch.equal(first, layer(inputs))
    assert torch.equal(layer.eval()(inputs), inputs)


@pytest.mark.parametrize(("p", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_nothing_is_left_to_torch(p: float, expected: float) -> None:
    assert torch.equal(PackedDropout(p)(torch.ones(7)), torch.full((7,), expected))


def test_a_model_has_its_own_layers_back_afterwards() -> None:
    model = nn.Sequential(nn.Dropout(0.1), nn.Linear(2, 2), nn.AlphaDropout(0.1))
    with packed_dropout(model):
        assert [type(layer) for layer in model] == [PackedDropout, nn.Linear, nn.AlphaDropout]
    assert type(model[0]) is nn.Dropout


def test_it_has_them_back_after_an_error_too() -> None:
    model = nn.Sequential(nn.Dropout(0.1))
    with pytest.raises(RuntimeError, match="midway"), packed_dropout(model):
        raise RuntimeError("midway")
    assert type(model[0]) is nn.Dropout
