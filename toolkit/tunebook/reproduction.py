"""Whether a repeated run is the same run, and what differs where it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tunebook.records import RunRecord
from tunebook.results import EvalReport

Facts = Mapping[str, Any]
Likelihood = Literal["certain", "likely", "possible"]
LIKELIHOODS: tuple[Likelihood, ...] = ("certain", "likely", "possible")
NUMERIC = (
    "torch",
    "transformers",
    "numpy",
    "scipy",
    "scikit-learn",
    "tokenizers",
    "peft",
    "adapters",
)
"""Packages that compute or change the numbers of a run."""


@dataclass(frozen=True)
class Difference:
    """Something that was not the same for both runs.

    Attributes:
        aspect: ``case``, ``data``, ``model``, ``seed``, ``precision``, ``controls``, ``code``,
            ``packages``, ``hardware`` or ``threads``.
        item: What of it.
        likelihood: How likely it explains another result. It is a judgement from what the thing
            does to numbers, not a measurement: who reads other data gets another result, a new
            version of tunebook often, one of a package that draws pictures hardly ever.
    """

    aspect: str
    item: str
    before: Any
    after: Any
    likelihood: Likelihood


@dataclass(frozen=True)
class ScoreChange:
    """A score of both runs.

    Attributes:
        half_interval: Half the width of the first run's interval.
    """

    score: str
    before: float
    after: float
    half_interval: float

    @property
    def difference(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Reproduction:
    """Two runs of one case beside each other.

    Attributes:
        same: Whether weights, predictions and scores are equal to the last bit, by output; None
            where one record doesn't tell.
        differences: What may explain it where they are not, the likeliest first.
        scores: Those that changed.
        unknown: Aspects of which one record says nothing, such as that of an older tunebook.
    """

    same: Mapping[str, bool | None]
    differences: tuple[Difference, ...]
    scores: tuple[ScoreChange, ...]
    unknown: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether everything is known to be equal."""
        return bool(self.same) and all(self.same.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "identical": self.identical,
            "same": dict(self.same),
            "differences": [asdict(each) for each in self.differences],
            "scores": [asdict(each) | {"difference": each.difference} for each in self.scores],
            "unknown": list(self.unknown),
        }


def compare_records(before: RunRecord, after: RunRecord) -> Reproduction:
    """Compares what two runs were made of and what came out of them."""
    return Reproduction(_same(before, after), *compare_basis(before, after))


def compare_basis(
    before: RunRecord, after: RunRecord
) -> tuple[tuple[Difference, ...], tuple[ScoreChange, ...], tuple[str, ...]]:
    """Returns what differs in what runs were made of, which scores do, and what isn't recorded."""
    found, unknown = [], []
    # a tunebook that recorded no code recorded fewer versions and settings of the machine as well
    everything = bool(before.code and after.code)
    for aspect, (facts, likelihood) in ASPECTS.items():
        old, new = facts(before), facts(after)
        if bool(old) != bool(new):
            unknown.append(aspect)
            continue
        found += [
            Difference(aspect, item, old.get(item), new.get(item), likelihood(item))
            for item in sorted({*old, *new} if everything else {*old} & {*new})
            if old.get(item) != new.get(item)
        ]
    found.sort(key=lambda each: LIKELIHOODS.index(each.likelihood))  # stable: then as in ASPECTS
    return tuple(found), tuple(_score_changes(before, after)), tuple(unknown)


def case_differences(before: Facts, after: Facts, path: str = "") -> tuple[Difference, ...]:
    """Returns the settings in which two cases differ, by dotted path."""
    found: list[Difference] = []
    for key in sorted({*before, *after}):
        old, new, where = before.get(key), after.get(key), f"{path}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += case_differences(old, new, f"{where}.")
        elif old != new:
            found.append(Difference("case", where, old, new, "certain"))
    return tuple(found)


def _same(before: RunRecord, after: RunRecord) -> dict[str, bool | None]:
    old, new = before.outputs, after.outputs
    found: dict[str, bool | None] = {
        name: old[name] == new[name] if name in old and name in new else None
        for name in sorted({*old, *new})
    }
    if not old or not new:
        found = {"weights": None, "predictions": None}
    scores = [_scores(each) for each in (before, after)]
    return found | {"scores": scores[0] == scores[1]}


def _scores(record: RunRecord) -> dict[str, Any]:
    """Returns all that was measured, by task; how long baselines took isn't."""
    untold = {"baselines": {"__all__": {"seconds", "reused"}}}
    return {
        name: each.report.model_dump(exclude=untold) if each.report else None
        for name, each in record.by_task().items()
    }


def _score_changes(before: RunRecord, after: RunRecord) -> list[ScoreChange]:
    reports = after.by_task()
    return [
        change
        for task, each in before.by_task().items()
        if each.report and task in reports and (other := reports[task].report)
        for change in _changes(f"{task}." if task else "", each.report, other)
    ]


def _changes(prefix: str, before: EvalReport, after: EvalReport) -> list[ScoreChange]:
    return [
        ScoreChange(prefix + name, old.value, after.scores[name].value, (old.high - old.low) / 2)
        for name, old in before.scores.items()
        if name in after.scores and after.scores[name].value != old.value
    ]


def _data(record: RunRecord) -> Facts:
    named = {
        f"{task}.{key}" if task else key: each.data.get(key)
        for task, each in record.by_task().items()
        for key in ("fingerprint", "rows", "splits")
    }
    return {item: value for item, value in named.items() if value is not None}


def _threads(record: RunRecord) -> Facts:
    told = record.hardware
    variables = told.get("variables", {})
    keys = ("threads", "interop_threads", "processes")
    return {key: told[key] for key in keys if key in told} | {
        name: value for name, value in variables.items() if name.endswith("_THREADS")
    }


def _hardware(record: RunRecord) -> Facts:
    told = record.hardware
    keys = ("system", "machine", "cpu", "capability", "gpu")
    return {key: told.get(key) for key in keys if told} | {
        name: value
        for name, value in told.get("variables", {}).items()
        if not name.endswith("_THREADS")
    }


def _code(record: RunRecord) -> Facts:
    versions = {name: record.versions[name] for name in ("tunebook",) if name in record.versions}
    told = (versions | record.plugins).items()
    # a file has no version, and its place is told instead; its source says more
    return {f"source of {name}": value for name, value in record.code.items()} | {
        f"version of {name}": value for name, value in told if not value.endswith(".py")
    }


def _packages(record: RunRecord) -> Facts:
    return {name: value for name, value in record.versions.items() if name != "tunebook"}


def _certain(_: str) -> Likelihood:
    return "certain"


def _likely(_: str) -> Likelihood:
    return "likely"


ASPECTS: Mapping[str, tuple[Callable[[RunRecord], Facts], Callable[[str], Likelihood]]] = {
    "data": (_data, _certain),
    "model": (lambda r: {"sha256": r.model["sha256"]} if "sha256" in r.model else {}, _certain),
    "seed": (lambda r: {"seed": r.seed}, _certain),
    "precision": (lambda r: {k: v for k, v in r.precision.items() if k == "name"}, _certain),
    "threads": (_threads, lambda item: "possible" if item.endswith("_THREADS") else "likely"),
    "hardware": (_hardware, _likely),
    "packages": (_packages, lambda item: "likely" if item in NUMERIC else "possible"),
    # a repeated run isn't steered
    "controls": (lambda r: {"requests done": len(r.controls)}, _certain),
    # a comment changes the source as well
    "code": (_code, lambda item: "likely" if item.startswith("version") else "possible"),
}
"""By aspect, what a record says of it, and how likely a difference there explains the result."""
