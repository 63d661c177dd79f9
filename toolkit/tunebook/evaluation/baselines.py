"""Simple methods, fitted on the rows that the model was trained on, to stand beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_info

from tunebook.forms import TaskForm
from tunebook.shared_work import SharedWork, array_sha256, json_sha256

Texts = tuple[str, ...]
"""What one row has to read: a text, or two."""


@dataclass(frozen=True)
class BaselinePredictions:
    """What a baseline says of the test texts.

    Attributes:
        name: ``majority`` or ``tfidf``.
        title: How a report calls it.
        outputs: Shape (n, k), what it says of n texts, see `TaskForm.decode`.
        seconds: Wall time of fitting and predicting, when that was done.
        reused: Whether that was in an earlier run.
    """

    name: str
    title: str
    outputs: np.ndarray
    seconds: float
    reused: bool = False


def fit_baselines(
    train_texts: Sequence[Texts],
    train_targets: np.ndarray,
    test_texts: Sequence[Texts],
    form: TaskForm,
    names: Sequence[str] = ("majority", "tfidf"),
    tfidf_features: str = "words+characters",
    class_weights: str = "none",
    shared: SharedWork | None = None,
) -> list[BaselinePredictions]:
    """Fits baselines and predicts the test texts.

    Args:
        train_texts: Texts without augmentation, each by itself or beside a second one.
        train_targets: Those of the n training texts, as `form` has them.
        test_texts: Texts to score.
        form: What the targets are.
        names: Of ``majority`` and ``tfidf``, in the order of the result.
        tfidf_features: ``words`` (1-2 grams), or ``words+characters`` for character 2-5 grams
            within words beside them. Each text of a pair has features of its own, and how alike
            the two are is one more.
        class_weights: ``none``, ``balanced`` (inverse frequency) or ``sqrt`` (its square root).
        shared: Where fitted baselines of earlier runs are looked for and kept; None fits anew.

    Returns:
        One for each name. A class without training texts gets probability 0.
    """
    targets = np.asarray(train_targets)

    def majority() -> np.ndarray:
        return np.tile(form.constant(targets), (len(test_texts), 1))

    def tfidf() -> np.ndarray:
        features = _features(train_texts, test_texts, _PARTS[tfidf_features])
        if features is None:
            return majority()
        train, test = features
        weight, bias = form.fit_linear(train, targets, form.linear_c, class_weights)
        return form.decode(test @ weight.T + bias)

    fits: Mapping[str, tuple[str, Callable[[], np.ndarray]]] = {
        "majority": (form.titles.majority, majority),
        "tfidf": (f"{_TITLES[tfidf_features]} + {form.titles.linear}", tfidf),
    }
    kept = {}
    if shared is not None and "tfidf" in names:
        parts = _parts(train_texts, targets, test_texts, form, tfidf_features, class_weights)
        title, compute = fits["tfidf"]
        outputs = lambda: {"outputs": compute()}  # noqa: E731
        kept["tfidf"] = shared.arrays("baselines", title, parts, outputs)
    return [
        BaselinePredictions(
            name, fits[name][0], found.value["outputs"], found.seconds, found.reused
        )
        if (found := kept.get(name))
        else _timed(name, *fits[name])
        for name in names
    ]


def _timed(name: str, title: str, fit: Callable[[], np.ndarray]) -> BaselinePredictions:
    started = time.perf_counter()
    outputs = fit()
    return BaselinePredictions(name, title, outputs, time.perf_counter() - started)


def _parts(
    train_texts: Sequence[Texts],
    targets: np.ndarray,
    test_texts: Sequence[Texts],
    form: TaskForm,
    tfidf_features: str,
    class_weights: str,
) -> dict[str, Any]:
    """Returns all that the outputs of the TF-IDF baseline depend on."""
    return {
        "train": json_sha256(train_texts),
        "targets": array_sha256(targets),
        "test": json_sha256(test_texts),
        "task": form.task.model_dump(mode="json"),
        "classes": form.classes,
        "scale": form.scale,
        "features": tfidf_features,
        "class_weights": class_weights,
        "blas": _blas(),
    }


def _blas() -> list[str]:
    """Returns what the linear algebra of the fit runs on; its threads share sums."""
    import scipy.linalg  # noqa: F401 - brings a library of its own, which the fit loads as well

    named = ("internal_api", "version", "num_threads", "architecture")
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return sorted({" ".join(str(pool.get(key)) for key in named) for pool in pools})


_WORDS = {"ngram_range": (1, 2)}
_CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
_PARTS = {"words": (_WORDS,), "words+characters": (_WORDS, _CHARACTERS)}
_TITLES = {
    "words": "TF-IDF (words)",
    "words+characters": "TF-IDF (words, characters)",
}


def _features(
    train: Sequence[Texts], test: Sequence[Texts], parts: Sequence[Mapping[str, object]]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
    """Returns features of both splits; None when no text has any."""
    sides = [*zip(*train, strict=True)], [*zip(*test, strict=True)]
    if len(sides[0]) == 1:
        return _tfidf(sides[0][0], sides[1][0], parts)
    # one vocabulary for both sides, so that they can be compared
    everything = [text for side in sides[0] for text in side]
    told = _tfidf(everything, [text for side in sides[1] for text in side], parts)
    if told is None:
        return None
    trained, tested = (_beside(features) for features in told)
    return trained, tested


def _beside(features: sparse.csr_matrix) -> sparse.csr_matrix:
    """Returns features (2n, h) of n first and n second texts as (n, 2h + 1): the last is the
    cosine of each pair."""
    first, second = features[: features.shape[0] // 2], features[features.shape[0] // 2 :]
    lengths = [np.sqrt(np.asarray(side.multiply(side).sum(axis=1))) for side in (first, second)]
    products = first.multiply(second).sum(axis=1)
    cosines = np.asarray(products) / np.maximum(lengths[0] * lengths[1], 1e-12)
    return sparse.hstack([first, second, sparse.csr_matrix(cosines)]).tocsr()


def _tfidf(
    train: Sequence[str], test: Sequence[str], parts: Sequence[Mapping[str, object]]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
    """Returns features of both splits side by side; None when no text has any."""
    fitted = [pair for part in parts if (pair := _tfidf_part(train, test, part)) is not None]
    if not fitted:
        return None
    return sparse.hstack([a for a, _ in fitted]).tocsr(), sparse.hstack(
        [b for _, b in fitted]
    ).tocsr()


def _tfidf_part(
    train: Sequence[str], test: Sequence[str], part: Mapping[str, object]
) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **part)
    try:
        return vectorizer.fit_transform(train), vectorizer.transform(test)
    except ValueError as error:
        if "empty vocabulary" in str(error):  # texts without a single word, such as "!?"
            return None
        raise
