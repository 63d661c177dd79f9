"""Edits on words, after Wei and Zou (2019, arXiv:1901.11196), with typos and spaces added."""

from __future__ import annotations

import numpy as np

from tunebook.contracts import AugmentationContext
from tunebook_plugins.augmenters.random_edit.plugin import RandomEditConfig


class RandomEdit:
    """Applies truncation, swaps, deletions, typos and whitespace edits, in this order."""

    def __init__(self, config: RandomEditConfig) -> None:
        self._config = config

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        """Returns an edited text, or None when it is too short or came out unchanged."""
        words, config, rng = text.split(), self._config, context.rng
        if len(words) < config.min_words:
            return None
        original = list(words)
        if rng.random() < config.truncation:
            words = words[: len(words) - int(rng.integers(1, max(2, len(words) // 2 + 1)))]
        words = delete(swap(words, config.swap, rng), config.deletion, rng)
        words = [typo(word, rng) if rng.random() < config.typo else word for word in words]
        edited = join(words, config.whitespace, rng)
        return None if edited == " ".join(original) else edited


def swap(words: list[str], probability: float, rng: np.random.Generator) -> list[str]:
    """Swaps words with their right neighbour; no word moves twice."""
    words = list(words)
    position = 0
    while position < len(words) - 1:
        if rng.random() < probability:
            words[position : position + 2] = words[position + 1], words[position]
            position += 1
        position += 1
    return words


def delete(words: list[str], probability: float, rng: np.random.Generator) -> list[str]:
    """Leaves words out, though never all of them."""
    kept = [word for word in words if rng.random() >= probability]
    return kept or [words[int(rng.integers(len(words)))]]


def typo(word: str, rng: np.random.Generator) -> str:
    """Doubles, drops or transposes one letter; a word of one sign is left as it is."""
    if len(word) < 2:
        return word
    place = int(rng.integers(len(word) - 1))
    first, second = word[place], word[place + 1]
    changed = (first + first + second, second, second + first)[int(rng.integers(3))]
    return word[:place] + changed + word[place + 2 :]


def join(words: list[str], probability: float, rng: np.random.Generator) -> str:
    """Joins words with a space, now and then with none or two."""
    parts = words[:1]
    for word in words[1:]:
        edit = rng.random() < probability
        parts += [("" if rng.random() < 0.5 else "  ") if edit else " ", word]
    return "".join(parts)
