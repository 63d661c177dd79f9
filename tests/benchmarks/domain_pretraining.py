"""Domain pretraining on the ICD texts, then few labels, against the same labels without it.

    python tests/benchmarks/domain_pretraining.py [--seeds 0 1 2] [--validation] [-p KEY=VALUE ...]

A seed draws the labels, the hidden words and the head.
"""

from __future__ import annotations

from typing import Any

from paired import Variants, print_table

import tunebook as tb
from tunebook.runs import Run


def variants_of(seed: int, overrides: dict[str, Any]) -> Variants:
    """Returns the case without and with the stage before it."""
    case = tb.load_case("medical_pretraining", overrides=overrides, seed=seed)
    return {"without": case.updated(corpus=None, pretraining=None), "with": case}


def about_pretraining(run: Run) -> str:
    """Returns what the record says of the stage, where there was one."""
    told = run.record.training.get("pretraining")
    if told is None:
        return "|"
    return (
        f"{told['texts']:,} texts, {told['steps']} steps, {told['seconds']:.0f} s, "
        f"perplexity {told['before']:,.0f} → {told['after']:,.1f} |"
    )


if __name__ == "__main__":
    print_table(variants_of, about_pretraining)
