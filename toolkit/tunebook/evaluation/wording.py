"""Results in plain sentences that claim no more than the intervals do."""

from __future__ import annotations

from tunebook.records import Comparison, Estimate, EvalReport

_SCORES = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC-AUC",
    "hamming_loss": "Hamming loss",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
}


def words(score: str) -> str:
    """Returns how people call a score, behind the name of its task where there are several."""
    task, _, own = score.rpartition(".")
    return f"{task} {_SCORES.get(own, own.replace('_', ' '))}".strip()


def headline_sentence(report: EvalReport) -> str:
    """Returns the primary score with its interval."""
    estimate = report.scores.get(report.primary)
    score = words(report.primary)
    if estimate is None:
        return f"{_capital(score)} isn't defined on these {report.rows:,} {report.split} texts."
    return (
        f"{_capital(score)} on {report.rows:,} {report.split} texts is {estimate.value:.3f} "
        f"({report.level:.0%} interval {estimate.low:.3f} to {estimate.high:.3f})."
    )


def comparison_sentence(report: EvalReport, comparison: Comparison) -> str:
    """Returns how far the run lies above or below a baseline, and whether that is certain."""
    titles = {baseline.name: baseline.title for baseline in report.baselines}
    against = titles.get(comparison.against, comparison.against)
    difference = comparison.difference
    return (
        f"It {_place(difference)} the baseline “{against}”; the interval of the difference, "
        f"{difference.low:+.3f} to {difference.high:+.3f}, {_verdict(difference)}"
    )


def resampling_sentence(report: EvalReport) -> str:
    """Returns what the intervals mean, and what they leave out."""
    unit = report.resampled if report.units == 1 else f"{report.resampled}s"
    return (
        f"Intervals come from {report.resamples:,} bootstrap resamples of {report.units:,} {unit}. "
        "They say how much a figure depends on which texts were scored, "
        "not how much it would change with another training seed."
    )


def _place(difference: Estimate) -> str:
    size = f"{abs(difference.value):.3f}"
    if difference.value == 0:
        return "equals"
    return f"lies {size} above" if difference.value > 0 else f"lies {size} below"


def _verdict(difference: Estimate) -> str:
    if difference.low > 0 or difference.high < 0:
        return "excludes zero."
    return "includes zero: these texts don't show that either is better."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
