"""What an audition tries: a case, its candidates, and a budget; closed and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from tunebook.audition.halving import FEWEST, Rung
from tunebook.batch.entry import Entry
from tunebook.batch.opening import slug
from tunebook.batch.plan import Parameters, entry_key
from tunebook.batch.validation import validate_entries
from tunebook.batch.values import canonical, in_words
from tunebook.config import CaseConfig, Section
from tunebook.errors import ConfigError, Problem, TunebookError
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Planner
from tunebook.schema import problems_of

HELD_BACK: Parameters = {"evaluation.split": "validation", "evaluation.learning_curve": []}
"""What all runs of an audition have: they are judged on validation rows, test rows stay unseen."""
ROWS = "limits.train_rows"
OWN = {
    "seed": "say with `seeds` how many each candidate gets",
    "evaluation.split": "leave it out: an audition is judged on the validation rows",
    "evaluation.learning_curve": "leave it out: an audition traces no curve",
}
"""Parameters that nobody sets, and what to do instead."""
SHARED = ("data", "task", "tasks", "split", "limits", "train_per_class", "evaluation", "preset")
"""Sections that decide on which rows candidates are trained and judged: the same for all."""
DEFAULT_BUDGET = 1800.0
DEFAULT_SEEDS = 2
ROWS_TO_BEGIN = 256
ROWS_PER_CLASS = 8


class AuditionPlan(Section):
    """Which candidates are tried on which case, with how many seeds, and for how long."""

    case: str = Field(min_length=1, description="Name of a case, or path of its file.")
    parameters: Parameters = Field({}, description="Values for every run, by path.")
    candidates: tuple[Parameters, ...] = Field(
        max_length=1000, description="What each candidate sets, by path."
    )
    seeds: int = Field(
        DEFAULT_SEEDS,
        ge=1,
        le=100,
        description="Runs of each candidate in a rung, seeds 0, 1, …; one in the first of several.",
    )
    budget: float = Field(
        DEFAULT_BUDGET, gt=0, le=1e9, description="Seconds that all of it may take."
    )
    first_rows: int | None = Field(
        None,
        ge=2,
        description=(
            f"Training rows of the first rung; null for {ROWS_TO_BEGIN}, or {ROWS_PER_CLASS} for "
            "each class where that is more."
        ),
    )

    @property
    def names(self) -> dict[str, Parameters]:
        """The candidates by their names."""
        return {name_of(candidate): candidate for candidate in self.candidates}

    @property
    def title(self) -> str:
        """What the batch of the audition is called: the same for a larger budget."""
        content = self.model_dump(mode="json", exclude={"budget"})
        digest = hashlib.sha256(canonical(content).encode()).hexdigest()[:6]
        return f"{slug(Path(self.case).stem)[:40]}-audition-{digest}"

    def first_rung(self, all_rows: int, classes: int) -> Rung:
        """Returns the rung that all candidates stand on: cheap, unless it has all the rows.

        Args:
            all_rows: Training rows that there are.
            classes: Classes of the task, 0 where it has none.
        """
        rows = min(self.first_rows or max(ROWS_TO_BEGIN, ROWS_PER_CLASS * classes), all_rows)
        return Rung(rows, tuple(self.names), 1 if rows < all_rows else self.seeds)

    def runs_of(self, rung: Rung) -> Iterator[tuple[str, Parameters]]:
        """Yields the parameters of each run of a rung, with the candidate that it is of."""
        for name in rung.candidates:
            for seed in range(rung.seeds):
                own = {**self.parameters, **self.names[name], **HELD_BACK}
                yield name, {**own, ROWS: rung.rows, "seed": seed}

    def keys_of(self, rung: Rung) -> dict[str, str]:
        """Returns the candidate of each entry that a rung has in the batch, by its key."""
        return {entry_key(self.case, run): name for name, run in self.runs_of(rung)}


def name_of(candidate: Mapping[str, Any]) -> str:
    """Returns what a candidate is called: its strategy, where it sets nothing else."""
    strategy = candidate.get("strategy")
    alone = len(candidate) == 1 and isinstance(strategy, str)
    return str(strategy) if alone else in_words(candidate)


def make_audition_plan(host: PluginHost, content: Mapping[str, Any]) -> AuditionPlan:
    """Returns the plan that `content` describes; candidates that come to the same are merged.

    Raises:
        TunebookError: With everything that is wrong with its form, its case or its candidates.
    """
    try:
        json.dumps(content, allow_nan=False)
        plan = AuditionPlan.model_validate(dict(content))
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            fix = "write paths, dates and the like as text"
            problem = ("audition.not_json", "audition", "JSON types only", str(error), fix)
            raise ConfigError(Problem(*problem)) from error
        told = problems_of(AuditionPlan, error, content, "audition")
        fix = "see `tunebook audition --help` for what it may be"
        raise ConfigError(*(replace(each, fix=fix) for each in told)) from error
    problems = [*_problems(plan)]
    if problems:
        raise ConfigError(*problems)
    check_single_task(base_case(host, plan.case, plan.parameters))
    # without what the audition sets itself, which would only be in the way of a good message
    tried = [{**plan.parameters, **own} for own in plan.names.values()]
    validate_entries(host, _entries(plan.case, tried), with_notebook=False)
    runs = [{**each, **HELD_BACK, ROWS: ROWS_TO_BEGIN} for each in tried]
    kept = validate_entries(host, _entries(plan.case, runs), with_notebook=False).entries
    # by key, so that the order of parameters makes no second one
    by_key = {
        entry_key(plan.case, run): own for own, run in zip(plan.names.values(), runs, strict=True)
    }
    distinct = [by_key[each.key] for each in kept]
    if len(distinct) < FEWEST:
        raise ConfigError(_too_few(f"{len(tried)} that come to the same"))
    return plan.model_copy(update={"candidates": tuple(distinct)})


def _entries(case: str, runs: Sequence[Parameters]) -> list[Entry]:
    return [Entry(entry_key(case, run), case, run) for run in runs]


def base_case(host: PluginHost, case: str, parameters: Mapping[str, Any]) -> CaseConfig:
    """Returns the case of an audition before any candidate has changed it."""
    return Planner(host, case, with_notebook=False).plan(parameters).case


def strategies_for(
    host: PluginHost, case: str, parameters: Mapping[str, Any]
) -> tuple[list[Parameters], dict[str, str]]:
    """Returns every strategy that can be tried on a case, and why each of the others can't.

    Raises:
        TunebookError: The case itself is wrong.
    """
    candidates, left_out = [], {}
    planner = Planner(host, case, with_notebook=False)
    planner.plan(parameters)
    for name in host.names("strategy"):
        try:
            planner.plan({**parameters, "strategy": name})
        except TunebookError as error:
            left_out[name] = error.problems[0].found
        else:
            candidates.append({"strategy": name})
    return candidates, left_out


def check_single_task(case: CaseConfig) -> None:
    """Refuses a case of several tasks, which have no one score to choose by."""
    if case.tasks:
        found = f"{len(case.tasks)}: {', '.join(case.tasks)}"
        fix = "audition a case with one of them, or compare by hand with `tunebook batch`"
        raise ConfigError(Problem("audition.tasks", case.name, "a case with one task", found, fix))


def _problems(plan: AuditionPlan) -> Iterator[Problem]:
    for key in sorted(plan.parameters.keys() & OWN.keys()):
        yield _own("parameters", key, OWN[key])
    told: set[str] = set()
    for number, candidate in enumerate(plan.candidates):
        where = f"candidates.{number}"
        if not candidate:
            fix = "set at least one parameter, such as strategy=lora"
            yield Problem("audition.empty", where, "what the candidate changes", "nothing", fix)
        for key in sorted({*candidate} - told):
            if key in OWN or key.partition(".")[0] in SHARED:
                told.add(key)  # once is enough
                yield _own(where, key, OWN.get(key, "set it for all of them, with -p"))
    if len(plan.names) < FEWEST:
        count = len(plan.candidates)
        yield _too_few(f"{count} times the same" if count > 1 else f"{count}")


def _own(where: str, key: str, fix: str) -> Problem:
    expected = "what may differ while all are trained and judged on the same rows"
    return Problem("audition.own", f"{where}.{key}", expected, f"`{key}`", fix)


def _too_few(found: str) -> Problem:
    fix = "name two that differ, such as --grid strategy=full,lora"
    return Problem("audition.candidates", "candidates", "two candidates or more", found, fix)
