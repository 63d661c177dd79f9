"""Blocks are found by structure: each architecture's parameters lie where its paper says."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModel

from tunebook.models.layers import Layers, find_layers

WIDTH = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
D_MODEL = {"d_model": 8, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}

SETTINGS = {
    "bert": {**WIDTH, "num_hidden_layers": 3},
    "roberta": {**WIDTH, "num_hidden_layers": 4},
    "distilbert": {"dim": 8, "n_heads": 2, "hidden_dim": 16, "n_layers": 3},
    "electra": {**WIDTH, "num_hidden_layers": 2, "embedding_size": 4},
    "albert": {**WIDTH, "num_hidden_layers": 6, "embedding_size": 4},
    "xlm": {"emb_dim": 8, "n_layers": 3, "n_heads": 2},
    "gpt2": {"n_embd": 8, "n_layer": 3, "n_head": 2},
    "llama": {**WIDTH, "num_hidden_layers": 2, "num_key_value_heads": 2},
    "opt": {
        "hidden_size": 8,
        "word_embed_proj_dim": 8,
        "ffn_dim": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "vit": {**WIDTH, "num_hidden_layers": 2, "image_size": 8, "patch_size": 4},
    "t5": {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_heads": 2, "num_layers": 3}
    | {"num_decoder_layers": 2},
    "bart": {**D_MODEL, **HEADS, "encoder_layers": 2, "decoder_layers": 3},
}

VIT_TOP_BLOCK = (
    "encoder.layer.1.output.dense.weight"
    if transformers.__version__.startswith("4.")
    else "layers.1.mlp.fc2.weight"
)
EXPECTED = {
    "bert": (
        3,
        {
            "embeddings.word_embeddings.weight": 0,
            "embeddings.LayerNorm.bias": 0,
            "encoder.layer.0.attention.self.query.weight": 1,
            "encoder.layer.2.output.LayerNorm.weight": 3,
            "pooler.dense.weight": 4,
        },
    ),
    "roberta": (4, {"embeddings.LayerNorm.weight": 0, "encoder.layer.3.output.dense.bias": 4}),
    "distilbert": (
        3,
        {"embeddings.position_embeddings.weight": 0, "transformer.layer.1.ffn.lin1.weight": 2},
    ),
    "electra": (2, {"embeddings_project.weight": 0, "encoder.layer.1.output.dense.weight": 2}),
    # one block, passed through six times
    "albert": (
        1,
        {
            "encoder.embedding_hidden_mapping_in.weight": 0,
            "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight": 1,
            "pooler.weight": 2,
        },
    ),
    # the parts of a block lie in lists side by side
    "xlm": (
        3,
        {
            "layer_norm_emb.weight": 0,
            "attentions.0.q_lin.weight": 1,
            "layer_norm1.2.weight": 3,
            "ffns.2.lin1.weight": 3,
        },
    ),
    "gpt2": (3, {"wte.weight": 0, "wpe.weight": 0, "h.0.ln_1.weight": 1, "ln_f.weight": 4}),
    "llama": (2, {"embed_tokens.weight": 0, "layers.1.mlp.up_proj.weight": 2, "norm.weight": 3}),
    # its final norm is registered before its blocks
    "opt": (
        2,
        {
            "decoder.embed_positions.weight": 0,
            "decoder.layers.0.fc1.weight": 1,
            "decoder.final_layer_norm.weight": 3,
        },
    ),
    "vit": (
        2,
        {
            "embeddings.cls_token": 0,
            "embeddings.patch_embeddings.projection.weight": 0,
            "layernorm.weight": 3,
            VIT_TOP_BLOCK: 2,
        },
    ),
    "t5": (
        5,
        {
            "shared.weight": 0,
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": 1,
            "encoder.block.2.layer.1.DenseReluDense.wo.weight": 3,
            "encoder.final_layer_norm.weight": 3,
            "decoder.block.0.layer.1.EncDecAttention.q.weight": 4,
            "decoder.block.1.layer.2.layer_norm.weight": 5,
            "decoder.final_layer_norm.weight": 6,
        },
    ),
    # the norm of its embeddings is registered after its blocks
    "bart": (
        5,
        {
            "encoder.layernorm_embedding.weight": 0,
            "encoder.layers.1.fc2.weight": 2,
            "decoder.layernorm_embedding.weight": 0,
            "decoder.layers.2.fc1.weight": 5,
        },
    ),
}


def model_of(architecture: str) -> nn.Module:
    settings = SETTINGS[architecture]
    sizes = {} if architecture == "vit" else {"vocab_size": 20, "pad_token_id": 0}
    return AutoModel.from_config(AutoConfig.for_model(architecture, **sizes, **settings))


def test_there_are_twelve_architectures() -> None:
    assert len(EXPECTED) == 12
    assert EXPECTED.keys() == SETTINGS.keys()


@pytest.mark.parametrize("architecture", EXPECTED)
def test_parameters_lie_where_they_should(architecture: str) -> None:
    model = model_of(architecture)
    count, depths = EXPECTED[architecture]
    layers = find_layers(model)
    assert layers.count == count
    names = {name for name, _ in model.named_parameters()}
    assert depths.keys() <= names
    assert {name: layers.depth_of(name) for name in depths} == depths


@pytest.mark.parametrize("architecture", EXPECTED)
def test_every_block_holds_as_much_as_its_neighbours(architecture: str) -> None:
    """A block that had lost a part to another one would be smaller."""
    model = model_of(architecture)
    layers = find_layers(model)
    matrices: dict[int, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "relative_attention_bias" not in name:
            depth = layers.depth_of(name)
            matrices[depth] = matrices.get(depth, 0) + parameter.numel()
    assert set(range(layers.count + 1)) <= matrices.keys()
    stacks = {"t5": [(1, 3), (4, 5)], "bart": [(1, 2), (3, 5)]}
    for first, last in stacks.get(architecture, [(1, layers.count)]):
        assert len({matrices[depth] for depth in range(first, last + 1)}) == 1


def test_what_is_put_into_a_block_belongs_to_it() -> None:
    model = model_of("bert")
    layers = find_layers(model)
    model.encoder.layer[1].output.adapter = nn.Linear(8, 8)
    assert layers.depth_of("encoder.layer.1.output.adapter.weight") == 2
    assert layers.depth_of("encoder.layer.10.output.dense.weight") == layers.count + 1


def test_a_model_without_blocks_has_none() -> None:
    layers = find_layers(nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 2)))
    assert layers.count == 0
    assert (layers.depth_of("0.weight"), layers.depth_of("1.weight")) == (0, 1)
    assert Layers().depth_of("anything") == 1


def test_a_name_that_only_looks_like_an_embedding_is_none() -> None:
    model = nn.ModuleDict({"ensemble_members": nn.Linear(2, 2), "rel_emb": nn.Linear(2, 2)})
    layers = find_layers(model)
    assert layers.depth_of("ensemble_members.weight") == 1
    assert layers.depth_of("rel_emb.weight") == 0


def test_finding_layers_changes_nothing() -> None:
    model = model_of("bert")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    find_layers(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len(before) == len(model.state_dict())
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.state_dict().items())
