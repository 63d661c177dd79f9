"""An audition as JSON types, for programs."""

from __future__ import annotations

from typing import Any

from tunebook.audition.reading import Audition, RungResult


def as_data(audition: Audition) -> dict[str, Any]:
    """Returns all that an audition has shown; `winner` is null while no rung is done."""
    file, best = audition.file, audition.best
    return {
        "audition": audition.id,
        "path": str(audition.folder.path),
        "case": file.plan.case,
        "budget_seconds": file.plan.budget,
        "spent_seconds": round(file.spent, 1),
        "ended": file.ended,
        "split": "validation",
        "all_rows": file.all_rows,
        "winner": None if audition.winner is None else dict(audition.winner),
        "score": None if best is None else best.test.model_dump(),
        "not_told_apart": audition.equals,
        "rungs": [_rung(audition, rung) for rung in audition.rungs],
        "left_out": dict(file.left_out),
        "sentences": audition.sentences(),
    }


def _rung(audition: Audition, rung: RungResult) -> dict[str, Any]:
    tried = rung.tried
    return {
        "number": rung.number,
        "rows": tried.rung.rows,
        "seeds": tried.rung.seeds,
        "done": tried.done,
        "seconds": round(tried.seconds, 1),
        "predicted_seconds": tried.rung.predicted and round(tried.rung.predicted, 1),
        "score": rung.table.score if rung.table else None,
        "candidates": [
            {
                "name": name,
                "parameters": dict(audition.plan.names[name]),
                "rank": row.rank,
                "score": row.test.model_dump(),
                "runs": len(row.runs),
                "minus_best": row.difference and row.difference.model_dump(),
                "p_corrected": row.p_corrected,
                "seconds": row.seconds,
                "outcome": audition.outcome(rung, name),
            }
            for name, row in rung.rows.items()
        ],
        "failed": dict(rung.failed),
    }
