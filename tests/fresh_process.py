"""Logits of saved models in a process that has not seen them being trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunebook.testing.fresh import call


def fresh_logits(run: Path, texts: Sequence[str]) -> list[list[float]]:
    """Returns what the classifier of `run` says of `texts` there, shape (texts, classes)."""
    (logits,) = call("logits", {}, folders=[str(run)], texts=list(texts))
    answer: list[list[float]] = logits
    return answer
