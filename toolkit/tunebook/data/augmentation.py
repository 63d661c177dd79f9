"""New training texts from old ones, by a list of augmenters in the order of the case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tunebook.config import PluginConfig
from tunebook.contracts import AugmentationContext, Augmenter
from tunebook.data.cleaning import text_key
from tunebook.data.dataset import Finding
from tunebook.errors import ConfigError, Problem, shorten

ATTEMPTS = 3
"""How many rows are tried for one new text before an augmenter is taken to be exhausted."""


def augment(
    train: pd.DataFrame,
    steps: Sequence[tuple[PluginConfig, Augmenter]],
    *,
    seed: int,
    synonyms: Mapping[str, Sequence[str]],
    forbidden: frozenset[str],
) -> tuple[pd.DataFrame, list[dict[str, Any]], list[Finding]]:
    """Adds rows to the training part.

    Every augmenter starts from the original rows, so that changes don't pile up, and `share` of
    its config says how many rows it adds for each of them. A text that is already there, or that
    is in `forbidden`, is never added.

    Args:
        train: The training rows, in the columns of a data set.
        steps: Configs with a `share`, and their augmenters.
        seed: Seed of the case.
        synonyms: Table of the data source.
        forbidden: `text_key` of the texts of the other splits.

    Returns:
        All training rows, the provenance of each step, and findings.

    Raises:
        ConfigError: An augmenter returned something else than text or None.
    """
    taken = set(train["text"].map(text_key)) | forbidden
    parts, provenance, findings = [train], [], []
    for number, (config, augmenter) in enumerate(steps):
        context = AugmentationContext(np.random.default_rng([seed, number]), synonyms, forbidden)
        wanted = round(getattr(config, "share", 1.0) * len(train))
        where = f"augmentation.{number} (`{config.kind}`)"
        new = [*_new_rows(train, config.kind, _checked(augmenter, where), context, wanted, taken)]
        parts.append(pd.DataFrame(new, columns=train.columns, dtype=object))
        provenance.append(
            {
                "config": config.model_dump(mode="json"),
                "wanted": wanted,
                "added": len(new),
                "share": round(len(new) / len(train), 4) if len(train) else 0.0,
            }
        )
        if len(new) < wanted:
            text = f"`{config.kind}` had new texts for {len(new)} of the {wanted} rows asked for"
            findings.append(Finding("augmentation.short", text, wanted - len(new), "warning"))
    return pd.concat(parts, ignore_index=True), provenance, findings


def _new_rows(
    train: pd.DataFrame,
    kind: str,
    augmenter: Augmenter,
    context: AugmentationContext,
    wanted: int,
    taken: set[str],
) -> Iterator[dict[str, Any]]:
    """Yields up to `wanted` rows whose texts are not in `taken`, and adds them to it."""
    if not wanted:
        return
    rows = train.to_dict("records")
    copies: dict[str, int] = {}
    for position in _order(len(rows), ATTEMPTS * wanted + len(rows), context.rng):
        row = rows[position]
        text = augmenter.augment(row["text"], context)
        if text is None or not text.strip() or text_key(text) in taken:
            continue
        taken.add(text_key(text))
        copies[row["id"]] = copies.get(row["id"], 0) + 1
        new_id = f"{row['id']}~{kind}{copies[row['id']]}"
        yield {**row, "text": text, "id": new_id, "origin": kind, "source_id": row["id"]}
        wanted -= 1
        if not wanted:
            return


def _order(size: int, length: int, rng: np.random.Generator) -> Iterator[int]:
    """Yields row numbers, every row once before any comes again."""
    rounds = -(-length // size) if size else 0
    for _ in range(rounds):
        yield from (int(position) for position in rng.permutation(size))


def _checked(augmenter: Augmenter, where: str) -> Augmenter:
    return _Checked(augmenter, where)


class _Checked:
    """An augmenter whose results are looked at."""

    def __init__(self, augmenter: Augmenter, where: str) -> None:
        self._augmenter, self._where = augmenter, where

    def augment(self, text: str, context: AugmentationContext) -> str | None:
        result = self._augmenter.augment(text, context)
        if result is not None and not isinstance(result, str):
            raise ConfigError(
                Problem(
                    "augmenter.result",
                    self._where,
                    "text or None",
                    shorten(result),
                    "mend the plugin's `augment`",
                )
            )
        return result
