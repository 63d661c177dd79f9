"""Which words of a text an answer hangs on: what becomes of it when each is left out.

Erasure (Li, Monroe and Jurafsky 2016, "Understanding neural networks through representation
erasure"; for pictures Zeiler and Fergus 2014, occlusion). It asks nothing of the model but answers,
so that it is the same for every architecture and strategy. It says what the model used, not whether
that is right, and words that can stand in for each other both look unimportant.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import numpy as np

from tunebook.errors import ConfigError, Problem, did_you_mean
from tunebook.export.bundle import Classifier

MOST_PARTS = 96
"""Above this many words, neighbours are left out together."""

_WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
WORD = re.compile(rf"[{_WITHOUT_SPACES}]|[^\s{_WITHOUT_SPACES}]+")
"""A word, or a character of a script that is written without spaces."""

FOR, AGAINST = "76,120,168", "228,87,86"
"""Colours, red, green and blue, of words that speak for an answer and against it."""


@dataclass(frozen=True)
class Explanation:
    """What each part of a text does to an answer.

    Attributes:
        text: The whole text.
        target: The class whose probability is looked at, empty for a number.
        value: That probability with nothing left out, or the number.
        parts: Where a part begins and ends in the text, and by how much `value` falls when it is
            left out.
    """

    text: str
    target: str
    value: float
    parts: tuple[tuple[int, int, float], ...]

    @property
    def words(self) -> list[tuple[str, float]]:
        """The parts as text, the most important first."""
        found = [(self.text[begin:end], fall) for begin, end, fall in self.parts]
        return sorted(found, key=lambda each: -abs(each[1]))

    def _repr_html_(self) -> str:
        what = f"P({self.target}) = {self.value:.2f}" if self.target else f"{self.value:.4g}"
        strongest = max((abs(fall) for *_, fall in self.parts), default=0.0) or 1.0
        pieces, done = [], 0
        for begin, end, fall in self.parts:
            pieces += [
                html.escape(self.text[done:begin]),
                self._marked(begin, end, fall, strongest),
            ]
            done = end
        pieces.append(html.escape(self.text[done:]))
        legend = "shaded: the answer falls (blue) or rises (red) without it"
        return (
            f'<div style="line-height:1.7"><b>{html.escape(what)}</b> {"".join(pieces)}'
            f'<div style="opacity:.65;font-size:11px">{legend}</div></div>'
        )

    def _marked(self, begin: int, end: int, fall: float, strongest: float) -> str:
        colour = FOR if fall > 0 else AGAINST
        style = f"background:rgba({colour},{0.55 * abs(fall) / strongest:.2f});border-radius:2px"
        word = html.escape(self.text[begin:end])
        return f'<span style="{style}" title="{fall:+.3f}">{word}</span>'


def explain(
    classifier: Classifier, text: str, pair: str | None = None, label: str | None = None
) -> Explanation:
    """Returns which words of a text an answer hangs on.

    Args:
        classifier: A trained model.
        text: One text.
        pair: Its second text, for a model that reads two; it is left whole.
        label: The class that is asked about; the most probable one when None.

    Raises:
        ConfigError: There is no such class.
        DataError: The text is empty, or a second text is missing or too much.
    """
    parts = _parts(text)
    texts = [text, *(_without(text, begin, end) for begin, end in parts)]
    pairs = None if pair is None else [pair] * len(texts)
    outputs = np.atleast_2d(classifier.form.decode(classifier.logits(texts, pairs)))
    outputs = outputs.reshape(len(texts), -1)
    column = _column(classifier.classes, label, outputs[0])
    values = outputs[:, column].astype(float)
    target = classifier.classes[column] if classifier.classes else ""
    falls = (values[0] - values[1:]).tolist()
    found = tuple((*part, fall) for part, fall in zip(parts, falls, strict=True))
    return Explanation(text, target, float(values[0]), found)


def _parts(text: str) -> list[tuple[int, int]]:
    """Returns where each word begins and ends; neighbours together where there are many."""
    words = [match.span() for match in WORD.finditer(text)] if isinstance(text, str) else []
    size = -(-len(words) // MOST_PARTS) or 1
    groups = (words[at : at + size] for at in range(0, len(words), size))
    return [(group[0][0], group[-1][1]) for group in groups]


def _without(text: str, begin: int, end: int) -> str:
    left = (text[:begin] + text[end:]).strip()
    return left or "."  # a model has to be given something


def _column(classes: tuple[str, ...], label: str | None, first: np.ndarray) -> int:
    if label is None or not classes:
        return int(first.argmax())
    if label not in classes:
        fix = did_you_mean(label, list(classes))
        raise ConfigError(
            Problem("explain.label", "label", "one of its classes", f"`{label}`", fix)
        )
    return classes.index(label)
