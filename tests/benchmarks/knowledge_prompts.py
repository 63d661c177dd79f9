"""What a prompt starts from: noise, drawn words, definitions; and definitions that stay words.

    python tests/benchmarks/knowledge_prompts.py [--seeds 0 1 2] [--validation] [-p KEY=VALUE ...]

A seed draws the labels, the prompt and the order of the batches. The first three prompts are of one
length; the head alone, with no prompt at all, says what a prompt is worth.
"""

from __future__ import annotations

from typing import Any

from paired import Variants, print_table

import tunebook as tb

FEW = 20
"""Learnt vectors before definitions that stay, and of the prompt without any."""


def variants_of(seed: int, overrides: dict[str, Any]) -> Variants:
    """Returns the case with each prompt, noise first."""
    case = tb.load_case("legal_prompts", overrides=overrides, seed=seed)
    learnt = case.strategy.model_dump()
    few = {"tokens": FEW, "init": "vocabulary", "text": None}
    strategies = {
        "noise": learnt | {"init": "random", "text": None},
        "drawn words": learnt | {"init": "vocabulary", "text": None},
        "definitions": learnt,
        f"{FEW} drawn words": learnt | few,
        f"{FEW} drawn words, then definitions that stay": learnt
        | few
        | {"knowledge": learnt["text"]},
        "head alone": {"kind": "feature_extraction"},
    }
    return {name: case.updated(strategy=strategy) for name, strategy in strategies.items()}


if __name__ == "__main__":
    print_table(variants_of)
