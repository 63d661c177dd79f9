"""Which licences are variants of one another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

PHRASE = 5
"""Words in a phrase."""


def families(keys: Sequence[str], words: Sequence[Sequence[str]], similarity: float) -> list[str]:
    """Groups licences whose keys have one stem or whose texts are near copies.

    Args:
        keys: Key of each of n licences.
        words: Words of each text.
        similarity: Least Jaccard similarity of the sets of five-word phrases of near copies.

    Returns:
        For each licence the first key of its family, n in all.
    """
    links = _same_stem(keys) + _near_copies(words, similarity)
    _, component = connected_components(links, directed=False)
    first: dict[int, str] = {}
    return [first.setdefault(int(number), key) for number, key in zip(component, keys, strict=True)]


def stem(key: str) -> str:
    """Returns the part of a key before its version: ``gpl-2.0-plus`` → ``gpl``."""
    parts = key.split("-")
    versions = [i for i, part in enumerate(parts) if any(sign.isdigit() for sign in part)]
    return "-".join(parts[: max(1, versions[0])]) if versions else key


def _same_stem(keys: Sequence[str]) -> sparse.csr_matrix:
    numbers, _ = pd.factorize(np.array([stem(key) for key in keys], dtype=object))
    return _product(np.arange(len(keys)), numbers, len(keys))


def _near_copies(words: Sequence[Sequence[str]], similarity: float) -> sparse.csr_matrix:
    lengths = np.array([len(text) for text in words])
    text_of = np.repeat(np.arange(len(words)), lengths)
    numbers, _ = pd.factorize(np.fromiter(chain.from_iterable(words), object, lengths.sum()))
    phrases = _phrase_hashes(numbers)
    inside = text_of[: len(phrases)] == text_of[PHRASE - 1 :][: len(phrases)]
    _, phrase = np.unique(phrases[inside], return_inverse=True)
    common = _product(text_of[: len(phrases)][inside], phrase, len(words)).tocoo()
    sizes = np.zeros(len(words))
    on_diagonal = common.row == common.col
    sizes[common.row[on_diagonal]] = common.data[on_diagonal]
    near = common.data >= similarity * (sizes[common.row] + sizes[common.col] - common.data)
    return sparse.csr_matrix(
        (common.data[near], (common.row[near], common.col[near])), shape=common.shape
    )


def _phrase_hashes(numbers: np.ndarray) -> np.ndarray:
    """Returns a 64-bit number for every run of `PHRASE` words, also those across two texts."""
    count = max(0, len(numbers) - PHRASE + 1)
    factors = np.random.default_rng(0).integers(2**63, size=PHRASE, dtype=np.uint64) * 2 + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for place, factor in enumerate(factors):
        mixed ^= mixed >> np.uint64(29)
        mixed = (mixed + numbers[place : place + count].astype(np.uint64)) * factor
    return mixed


def _product(rows: np.ndarray, elements: np.ndarray, size: int) -> sparse.csr_matrix:
    """Returns, for every two of `size` sets, how many elements they have in common."""
    shape = (size, int(elements.max(initial=-1)) + 1)
    ones = np.ones(len(rows), dtype=np.int32)
    member = sparse.csr_matrix((ones, (rows, elements)), shape=shape)
    member.data[:] = 1  # an element that a set names twice was added up
    return member @ member.T
