"""Updates and factors folded into the backbone: a plain model that says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_models import adapter
from peft_models import case_of, padded, prepare, problem_of
from tunebook.models.gate import check_configs
from tunebook_plugins.strategies.adapter.methods import METHODS

ROWS = [[2, 7, 3], [2, 17, 18, 20, 21, 22, 3]]
WITH_ADAPTERS = pytest.mark.adapters
MERGING: dict[str, Any] = {
    "lora": {"kind": "lora", "r": 4},
    "dora": {"kind": "lora", "r": 4, "dora": True},
    "ia3": {"kind": "ia3"},
    "adapter lora": adapter("lora"),
    "adapter ia3": adapter("ia3"),
}


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=WITH_ADAPTERS if n.startswith("adapter") else ()) for n in MERGING],
)
def test_a_plain_model_gives_the_same_states(
    models: dict[str, Path], name: str, family: str, tmp_path: Path
) -> None:
    from transformers import AutoModel

    prepared = prepare(models[family], MERGING[name] | {"merge": True})
    backbone = prepared.model.backbone.eval()
    with torch.no_grad():
        for number, (key, parameter) in enumerate(backbone.named_parameters()):
            if parameter.requires_grad or key.endswith("bias"):  # tiny models have none to speak of
                torch.manual_seed(number)
                parameter += 0.2 * torch.randn_like(parameter)
    assert prepared.export is not None
    prepared.export(tmp_path / "native")
    folder = tmp_path / "native" / "merged"
    assert [*check_configs(folder)] == []
    inputs = padded(ROWS)
    if family == "t5":
        inputs["decoder_input_ids"] = torch.zeros(2, 1, dtype=torch.long)
    plain = AutoModel.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        adapted, merged = (model(**inputs).last_hidden_state[:, :1] for model in (backbone, plain))
    assert torch.allclose(adapted, merged, atol=1e-4)
    original = AutoModel.from_pretrained(str(models[family])).state_dict()
    matrices = [key for key, tensor in plain.state_dict().items() if tensor.ndim == 2]
    assert any(not torch.equal(plain.state_dict()[key], original[key]) for key in matrices)


@WITH_ADAPTERS
def test_what_adds_a_computation_is_not_merged() -> None:
    refused = [name for name, method in METHODS.items() if not method.merges]
    assert len(refused) == 7
    for name in refused:
        problem = problem_of(case_of, Path("bert"), adapter(name, merge=True))
        assert "adds a computation of its own" in problem.expected
        assert "merge `lora` or `ia3`" in problem.expected


@WITH_ADAPTERS
def test_a_composition_is_not_merged() -> None:
    strategy = adapter(
        "lora", merge=True, adapters={"one": {"run": "x"}}, composition="stack(one, task)"
    )
    problem = problem_of(case_of, Path("bert"), strategy)
    assert "`stack(one, task)` cannot be merged" in problem.expected


def test_nothing_is_merged_unasked(models: dict[str, Path], tmp_path: Path) -> None:
    prepared = prepare(models["bert"], "lora")
    assert prepared.export is not None
    prepared.export(tmp_path / "native")
    assert not (tmp_path / "native" / "merged").exists()
