"""What an augmenter promises: new texts from old ones, decided by the generator it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tunebook.contracts import AugmentationContext
from tunebook.errors import shorten
from tunebook.testing import tiny
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, check, demand

SYNONYMS = {
    "heart": ["cardiac organ"],
    "lung": ["pulmonary organ", "breathing organ"],
    "skin rash": ["eruption of the skin"],
}
ODD_TEXTS = (
    "",
    " ",
    "\n\t",
    "a",
    "…",
    "ﬁne Straße İstanbul",
    "急性心肌梗死，左侧",
    "قلب مريض",
    "👩🏽‍⚕️ heart 👍",
    "e\u0301\u0302 \u200b\ufeff",
    "heart " * 500,
    "x" * 5000,
    "%s {0} \\n <b> $(x)",
)
SEEDS = range(5)


def _texts() -> list[str]:
    return [*tiny.TEXTS, *(row["text"] for row in tiny.rows(30))]


def _context(seed: int) -> AugmentationContext:
    import numpy as np

    return AugmentationContext(np.random.default_rng(seed), SYNONYMS)


def _answers(augmenter: Any, texts: list[str]) -> Iterator[tuple[str, Any]]:
    """Yields texts and what comes of them, under several seeds."""
    for seed in SEEDS:
        for text in texts:
            yield text, augmenter.augment(text, _context(seed))


@check("augmenter")
def same_generator_gives_the_same_text(candidate: Candidate) -> None:
    """A text and a seeded generator decide the result, whatever was asked for before."""
    used, new, texts = candidate.create(), candidate.create(), _texts()
    for _ in _answers(used, texts):
        pass  # a past, which must not show
    for (text, first), (_, again) in zip(_answers(used, texts), _answers(new, texts), strict=True):
        found = f"{shorten(text, 40)} gives {shorten(first, 40)} and {shorten(again, 40)}"
        demand(first == again, found, "draw from context.rng only, and remember nothing")


@check("augmenter")
def only_the_given_generator_is_used(candidate: Candidate) -> None:
    """Augmenting draws from `context.rng`, and leaves the global generators alone."""
    from tunebook.testing.generators import untouched_generators

    augmenter = candidate.create()
    with untouched_generators("augmenting"):
        for _ in _answers(augmenter, _texts()):
            pass


@check("augmenter")
def odd_texts_give_text_or_none(candidate: Candidate) -> None:
    """Empty, very long and foreign texts give text or None, and never an exception."""
    augmenter = candidate.create()
    for text in ODD_TEXTS:
        try:
            answer = augmenter.augment(text, _context(0))
        except Exception as error:
            found = f"{shorten(text, 40)} gives {error!r}"
            raise CheckFailed(found, "return None for what cannot be changed") from error
        found = f"{shorten(text, 40)} gives {shorten(answer, 40)}"
        demand(answer is None or isinstance(answer, str), found, "return text or None")


@check("augmenter")
def the_text_itself_is_never_returned(candidate: Candidate) -> None:
    """What comes back is changed; where nothing can be changed it is None."""
    for text, answer in _answers(candidate.create(), _texts()):
        found = f"{shorten(text, 40)} comes back unchanged"
        demand(answer != text, found, "return None, so that no copy is counted as a new row")


@check("augmenter")
def ordinary_texts_give_new_ones(candidate: Candidate) -> None:
    """Among a hundred ordinary texts there is something new to be had."""
    answers = [answer for text, answer in _answers(candidate.create(), _texts()) if answer != text]
    found = f"nothing for {len(SEEDS)} times {len(_texts())} texts"
    demand(any(answer and answer.strip() for answer in answers), found, "change more by default")
