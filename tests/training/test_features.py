"""Cached features: computed once, keyed by all that they depend on, never served damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tunebook.training.features import cached_features, fingerprint


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.arange(12, dtype=np.float32).reshape(3, 4)


def test_features_are_computed_once(tmp_path: Path) -> None:
    compute = Counter()
    first, cached = cached_features("k", compute, tmp_path)
    assert not cached
    again, cached = cached_features("k", compute, tmp_path)
    assert cached
    assert compute.calls == 1
    assert np.array_equal(first, again)
    assert isinstance(again, np.memmap)


def test_another_key_is_computed_anew(tmp_path: Path) -> None:
    compute = Counter()
    cached_features(fingerprint({"weights": "a"}), compute, tmp_path)
    cached_features(fingerprint({"weights": "b"}), compute, tmp_path)
    assert compute.calls == 2


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY rubbish", b"\x00" * 200])
def test_a_damaged_entry_is_rebuilt(tmp_path: Path, damage: bytes) -> None:
    compute = Counter()
    cached_features("k", compute, tmp_path)
    (tmp_path / "k.npy").write_bytes(damage)
    features, cached = cached_features("k", compute, tmp_path)
    assert (cached, compute.calls) == (False, 2)
    assert features.shape == (3, 4)


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    compute = Counter()
    cached_features("k", compute, tmp_path)
    content = bytearray((tmp_path / "k.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "k.npy").write_bytes(content)
    cached_features("k", compute, tmp_path)
    assert compute.calls == 2


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    features, cached = cached_features("k", Counter(), tmp_path / "file")
    assert (features.shape, cached) == ((3, 4), False)


def test_nothing_temporary_is_left(tmp_path: Path) -> None:
    cached_features("k", Counter(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k.npy", "k.sha256"]
