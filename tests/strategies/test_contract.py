"""What strategies promise beyond the kit, which `tests/testing/test_bundled.py` runs over all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from tunebook.contracts import Prepared
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.subject import seed_everything
from tunebook.tasks.text_classification import TextClassifier, count_parameters
from tunebook.training.context import Context

HOST = PluginHost()
STRATEGIES = [
    pytest.param(name, marks=pytest.mark.adapters if name == "adapter" else ())
    for name in HOST.names("strategy")
]
TEXTS = ["heart valve acute", "skin rash mild", "lung cough", "the of with"]


def prepare(folder: Path, strategy: Any, **changes: Any) -> Prepared:
    """Returns what a strategy makes of the pretrained model."""
    case = CaseSchema(HOST).validate(tiny.case_content(folder, strategy=strategy, **changes))
    seed_everything(0)
    model = TextClassifier(load_backbone(folder), 3, case.head)
    strategy = HOST.create("strategy", case.strategy)
    return strategy.prepare(model, Context.of(model, case.training))


def run(folder: Path, runs: Path, strategy: Any, **changes: Any) -> Run:
    case = CaseSchema(HOST).validate(tiny.case_content(folder, strategy=strategy, **changes))
    return run_case(case, HOST, runs_dir=runs, listeners=[])


@pytest.mark.parametrize(
    ("strategy", "low", "high"),
    [
        ("full", 1.0, 1.0),
        ({"kind": "full", "embeddings": "freeze"}, 0.5, 0.95),
        ("feature_extraction", 0.0001, 0.02),
        ({"kind": "lora", "r": 2}, 0.02, 0.25),
        pytest.param("adapter", 0.005, 0.05, marks=pytest.mark.adapters),
    ],
)
def test_trainable_share_is_what_the_method_promises(
    tiny_bert: Path, strategy: Any, low: float, high: float
) -> None:
    prepared = prepare(tiny_bert, strategy)
    assert low <= count_parameters(prepared.model)["share"] <= high


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_predictions_on_disk_are_those_of_the_saved_model(
    tiny_bert: Path, tmp_path: Path, strategy: str
) -> None:
    import pandas as pd

    trained = run(tiny_bert, tmp_path, strategy)
    frame = pd.read_parquet(trained.directory.predictions)
    again = trained.classifier.predict(frame["text"].tolist())
    assert [row["label"] for row in again] == frame["predicted"].tolist()
    assert np.allclose([row["confidence"] for row in again], frame["confidence"], atol=1e-6)


@pytest.mark.adapters
@pytest.mark.parametrize("method", ["seq_bn", "double_seq_bn", "par_bn"])
@pytest.mark.parametrize("factor", [2.0, 16.0])
def test_every_adapter_method_has_its_own_size(tiny_bert: Path, method: str, factor: float) -> None:
    config = {"kind": "adapter", "method": method, "reduction_factor": factor}
    prepared = prepare(tiny_bert, config)
    bottleneck = int(32 / factor)
    places = 4 if method == "double_seq_bn" else 2
    trained = count_parameters(prepared.model)["trainable"] - 99
    weights = places * 2 * 32 * bottleneck
    assert weights <= trained <= weights + places * (32 + bottleneck) + 2 * 2 * 64


def test_lora_bias_and_targets_are_obeyed(tiny_bert: Path) -> None:
    config = {"kind": "lora", "r": 2, "targets": ["query"], "bias": "all"}
    prepared = prepare(tiny_bert, config)
    trained = [n for n, p in prepared.model.backbone.named_parameters() if p.requires_grad]
    assert {n.split(".")[-4] for n in trained if "lora_" in n} == {"query"}
    assert any(n.endswith("bias") and "lora_" not in n for n in trained)


@pytest.mark.parametrize(
    ("targets", "fix"),
    [(["qery"], "did you mean `query`?"), (["rubbish"], "use one of")],
)
def test_a_target_that_is_not_there_is_told(tiny_bert: Path, targets: list[str], fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_bert, {"kind": "lora", "targets": targets})
    assert caught.value.problems[0].fix.startswith(fix)


def test_a_base_that_has_changed_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    model = tiny.save_tiny_bert(tmp_path / "model")
    trained = run(model, tmp_path / "runs", "lora")
    tiny.save_tiny_bert(model, seed=9)
    with pytest.raises(ConfigError) as caught:
        load_classifier(trained.directory)
    assert caught.value.problems[0].code == "model.base_changed"


def test_a_saved_model_passes_the_gate_again(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, "full")
    config = trained.directory.model / "base" / "config.json"
    content = json.loads(config.read_text()) | {"_attn_implementation_internal": "someone/kernels"}
    config.write_text(json.dumps(content))
    with pytest.raises(ConfigError) as caught:
        load_classifier(trained.directory)
    assert caught.value.problems[0].code == "model.unsafe_config"


def test_full_fine_tuning_needs_no_base_to_load(tmp_path: Path) -> None:
    import shutil

    model = tiny.save_tiny_bert(tmp_path / "model")
    trained = run(model, tmp_path / "runs", "full")
    before = trained.classifier.logits(TEXTS)
    shutil.rmtree(model)
    assert np.array_equal(load_classifier(trained.directory).logits(TEXTS), before)


def test_native_formats_are_written(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    full = run(tiny_bert, tmp_path, "full")
    reloaded = AutoModel.from_pretrained(str(full.directory.model / "native"))
    trained = dict(full.classifier.model.backbone.named_parameters())
    same = [torch.equal(p, trained[n]) for n, p in reloaded.named_parameters() if n in trained]
    assert len(same) == len(trained)
    assert all(same)
    lora = run(tiny_bert, tmp_path, "lora")
    assert (lora.directory.model / "native" / "adapter_config.json").is_file()


@pytest.mark.adapters
def test_an_adapter_is_written_for_its_own_library(tiny_bert: Path, tmp_path: Path) -> None:
    import adapters

    trained = run(tiny_bert, tmp_path, "adapter")
    backbone = load_backbone(tiny_bert)
    adapters.init(backbone)
    assert (
        backbone.load_adapter(str(trained.directory.model / "native"), use_safetensors=True)
        == "task"
    )
