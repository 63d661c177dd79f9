"""The result of a run as its record keeps it: scores with intervals, baselines, a curve."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tunebook.tables import html_table


class Part(BaseModel):
    """A part of a record. Unknown keys are kept out, so that a newer record is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Part):
    """A number with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Comparison(Part):
    """The difference to a baseline on the same rows, from the same resamples.

    Attributes:
        against: Name of the baseline.
        score: Name of the score.
        difference: This run minus the baseline, with a paired interval.
    """

    against: str
    score: str
    difference: Estimate

    def _repr_html_(self) -> str:
        return html_table([(f"{self.score} over {self.against}", self.difference)])


class Reused(Part):
    """Something that was not computed but read from the cache.

    Attributes:
        kind: Kind of entry, such as ``features``.
        what: The thing in a few words.
        made: When it was computed, seconds since the epoch.
        seconds: How long that took.
    """

    kind: str
    what: str
    made: float
    seconds: float


class Baseline(Part):
    """A simple method, trained and scored on the same rows.

    Attributes:
        seconds: Wall time of fitting and predicting, when that was done.
        reused: Whether that was in an earlier run, and its predictions came from the cache.
    """

    name: str
    title: str
    scores: dict[str, Estimate]
    seconds: float
    reused: bool = False


class EvalReport(Part):
    """The result on rows that no choice was made on.

    Attributes:
        rows: Scored texts.
        units: What was resampled (rows or groups) and how many there are.
        confusion: k × k counts, rows are targets and columns predictions; None when no metric
            of the case makes one.
    """

    split: str
    rows: int
    classes: tuple[str, ...]
    primary: str
    resampled: str
    units: int
    resamples: int
    level: float
    scores: dict[str, Estimate]
    per_class: dict[str, dict[str, float]]
    support: dict[str, int]
    confusion: list[list[float]] | None
    baselines: tuple[Baseline, ...]
    comparisons: tuple[Comparison, ...]

    def _repr_html_(self) -> str:
        """Scores with their intervals, beside those of the baselines."""
        scored = {"this run": self.scores, **{b.title: b.scores for b in self.baselines}}
        rows = ((name, *(found.get(s, "") for s in self.scores)) for name, found in scored.items())
        told = f"{self.split} split, {self.rows:,} rows, {self.level:.0%} intervals"
        return f"<p>{told}</p>{html_table(rows, ('', *self.scores))}"


class CurvePoint(Part):
    """One training-set size of the learning curve."""

    train_per_class: int | None
    train_rows: int
    run_id: str
    seconds: float
    scores: dict[str, Estimate]
    baselines: tuple[Baseline, ...]
    comparisons: tuple[Comparison, ...]
