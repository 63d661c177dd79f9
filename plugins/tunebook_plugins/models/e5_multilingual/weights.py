"""Writes the de-quantised weights as transformers' BERT names and stores them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from tunebook_plugins.models.e5_multilingual.packed import PackedModel, Shape

EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
KINDS = {"w": "weight", "b": "bias"}


def write_config(packed: PackedModel, path: Path) -> None:
    """Writes `config.json`."""
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        **vars(packed.shape),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": packed.bos,
        "eos_token_id": packed.eos,
        "pad_token_id": packed.pad,
    }
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_weights(packed: PackedModel, path: Path) -> None:
    """Writes `model.safetensors` in float32, without ever holding the whole model in memory.

    The same input gives the same bytes whatever versions of libraries are installed, so that the
    result can be checked against a known hash. Source of the format: the safetensors documentation.
    """
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in packed.tensors.items():
        start, end = end, end + 4 * tensor.count
        entries[bert_name(name)] = {
            "dtype": "F32",
            "shape": tensor_shape(name, tensor.count, packed.shape),
            "data_offsets": [start, end],
        }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for name in packed.tensors:
            for part in packed.weights(name):
                file.write(part)


def bert_name(name: str) -> str:
    """Returns transformers' name of a tensor: ``l0.q.w`` → ``encoder.layer.0.….query.weight``."""
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    layer, module, kind = name.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{LAYER[module]}.{KINDS[kind]}"


def tensor_shape(name: str, count: int, shape: Shape) -> list[int]:
    """Returns rows and columns; biases and the weights of a LayerNorm are vectors."""
    if "ln." in name or name.endswith(".b"):
        return [count]
    columns = shape.intermediate_size if ".fo." in name else shape.hidden_size
    return [count // columns, columns]
