"""Unsafe models are refused before anything of them is loaded."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from tunebook.contracts import ModelFiles
from tunebook.errors import ConfigError, MachineError
from tunebook.host import PluginHost
from tunebook.models.gate import check_folder, file_sha256
from tunebook.models.load import load_backbone, load_tokenizer
from tunebook.models.resolve import resolve_model


@pytest.fixture
def model(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder: Path, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        check_folder(folder, **arguments)
    return caught.value.problems[0].code, caught.value.problems[0].where


def test_a_plain_model_passes(model: Path) -> None:
    assert check_folder(model)["model_type"] == "bert"


@pytest.mark.parametrize(
    "changes",
    [
        {"auto_map": {"AutoModel": "evil--code"}},
        {"_attn_implementation_internal": "someone/kernels"},
        {"_attn_implementation": "someone/kernels"},
        {"_attn_implementation_autoset": True},
        {"text_config": {"_attn_implementation_internal": "someone/kernels"}},
        {"layers": [{"deep": {"auto_map": {"AutoModel": "evil--code"}}}]},
        {"trust_remote_code": True},
    ],
)
def test_a_config_that_can_run_code_is_refused(model: Path, changes: dict[str, Any]) -> None:
    edit(model / "config.json", **changes)
    code, where = refusal(model)
    assert code == "model.unsafe_config"
    assert str(model / "config.json") in where


def test_a_tokenizer_that_names_code_is_refused(model: Path) -> None:
    edit(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil", None]})
    assert refusal(model)[0] == "model.unsafe_config"


def test_pickled_weights_are_refused(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert refusal(model)[0] == "model.unsafe_weights"


def test_an_index_that_points_outside_is_refused(model: Path) -> None:
    index = {"weight_map": {"a": "../../etc/passwd"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refusal(model)[0] == "model.unsafe_weights"


def test_missing_weights_are_told(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert refusal(model)[0] == "model.no_weights"


def test_a_config_that_is_no_json_is_told(model: Path) -> None:
    (model / "config.json").write_text("{")
    assert refusal(model)[0] == "model.unreadable"


def test_a_missing_folder_names_models_beside_it(model: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_folder(model.parent / "modle")
    assert "model" in caught.value.problems[0].fix


def test_hashes_are_verified(model: Path) -> None:
    right = file_sha256(model / "model.safetensors")
    check_folder(model, {"model.safetensors": right})
    with (model / "model.safetensors").open("ab") as file:
        file.write(b"x")
    assert refusal(model, sha256={"model.safetensors": right})[0] == "model.hash"


def test_nothing_is_loaded_of_a_refused_model(model: Path, monkeypatch: Any) -> None:
    edit(model / "config.json", auto_map={"AutoModel": "evil--code"})
    import transformers

    def loaded(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the model was touched")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", loaded)
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", loaded)
    with pytest.raises(ConfigError):
        resolve_model(ModelFiles("x", folder=model))


def test_a_hub_name_without_a_network_is_one_clear_sentence(monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises((MachineError, ConfigError)) as caught:
        resolve_model(ModelFiles("minlm/none"), aliases=["minilm"])
    (problem,) = caught.value.problems
    assert problem.code == "model.no_network"
    assert caught.value.exit_code == 6


def test_the_packaged_model_has_the_hash_of_the_hub() -> None:
    host = PluginHost()
    resolved = resolve_model(host.create("model", host.get("model", "minilm").config()).files())
    assert (resolved.architecture, resolved.max_positions) == ("bert", 512)


def test_preset_truncation_of_a_tokenizer_is_undone() -> None:
    host = PluginHost()
    files = host.create("model", host.get("model", "minilm").config()).files()
    assert files.folder is not None
    tokenizer = load_tokenizer(files.folder)
    assert len(tokenizer(" ".join(["word"] * 300))["input_ids"]) == 302
    lengths = {len(ids) for ids in tokenizer(["a", "a b c d"])["input_ids"]}
    assert lengths == {3, 6}


def test_a_corrupt_weight_file_is_told(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"\x00" * 64)
    check_folder(model)
    with pytest.raises(ConfigError) as caught:
        load_backbone(model)
    assert caught.value.problems[0].code == "model.cannot_load"


def test_a_large_vocabulary_raises_no_false_alarm(tiny_bert: Path, tmp_path: Path) -> None:
    """transformers 4.57 takes every large tokenizer that it knows nothing of for Mistral's."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "large"))
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"word{number}": number for number in range(len(vocabulary), 100_001)}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())
    logger = logging.getLogger("transformers.tokenization_utils_base")
    logger.addHandler(handler)
    try:
        assert load_tokenizer(folder).vocab_size > 100_000
    finally:
        logger.removeHandler(handler)
    assert not [text for text in told if "regex" in text]
