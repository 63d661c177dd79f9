"""What a batch runs: a plan, closed and frozen, and the entries that it comes to."""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, SerializeAsAny, ValidationError, create_model

from tunebook.batch.entry import Entry
from tunebook.batch.values import canonical, values_of
from tunebook.cases import read_mapping
from tunebook.config import PluginConfig, Section
from tunebook.errors import ConfigError, Problem
from tunebook.host import PluginHost
from tunebook.kernels.places import KernelChoice
from tunebook.notebooks.supervision import DEFAULT_START_TIMEOUT, DEFAULT_TIMEOUT
from tunebook.schema import expand_shorthand, problems_of, union_of

Parameters = dict[str, Any]

MOST_ENTRIES = 100_000
CASE_SUFFIXES = (".yaml", ".yml", ".json")
CONDITION = re.compile(r"\s*([^\s=!<>]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class BatchLimits(Section):
    """How long things may take, in seconds."""

    run: float = Field(DEFAULT_TIMEOUT, gt=0, description="A run, all in all.")
    start: float = Field(DEFAULT_START_TIMEOUT, gt=0, description="A kernel, to answer.")
    batch: float | None = Field(None, gt=0, description="The batch; null for no end.")
    silence: float = Field(
        180.0, ge=5, description="Without a sign of life from a run, until it counts as lost."
    )


class Retries(Section):
    """What happens to runs that were lost or killed; other failures are never repeated."""

    times: int = Field(2, ge=0, le=20, description="How often a run is tried again.")
    seconds: float = Field(
        5.0, ge=0, le=3600, description="Pause before the first; it doubles each time."
    )


class BatchPlan(Section):
    """Every run is one combination of `grid` and `zip`, or one of `runs`, for each case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=60, description="Begins the batch's folder; else its cases.")
    cases: tuple[str, ...] = Field(
        min_length=1, description="Names of cases, or YAML files beside the plan."
    )
    parameters: Parameters = Field({}, description="Values for every run, by path.")
    grid: dict[str, Any] = Field(
        {}, description="Values by path, each combined with each: lists, or ranges like 1..5."
    )
    zip: tuple[dict[str, Any], ...] = Field(
        (), description="Groups of equally long lists by path, which go side by side."
    )
    runs: tuple[Parameters, ...] = Field(
        (), description="Parameters of single runs, instead of a grid or combined with it."
    )
    include: tuple[Parameters, ...] = Field(
        (), description="Runs beside all those, whatever `where` and `exclude` say."
    )
    exclude: tuple[Parameters, ...] = Field(
        (), description="Combinations to leave out: those that have all values of one of these."
    )
    where: tuple[str, ...] = Field(
        (), description="Conditions that every combination meets, such as `seed<3`."
    )
    overrides: dict[str, Parameters] = Field(
        {}, description="By case, values that it alone gets, over all the above."
    )
    repeats: int = Field(
        1, ge=1, le=10_000, description="Runs of each combination, with seeds 0, 1, …"
    )
    with_notebook: bool = Field(True, description="Run cases in their notebooks.")
    kernel: KernelChoice = Field(
        "warm",
        description=(
            "How notebooks get their kernels: `warm` from a process that has imported everything, "
            "or as usual where that cannot be had, `auto` only where such a process runs already, "
            "`cold` as usual. The record says which, and why."
        ),
    )
    executor: SerializeAsAny[PluginConfig] | None = Field(
        None, description="Where runs are carried out; null for `local`."
    )
    limits: BatchLimits = Field(BatchLimits(), description="How long things may take.")
    retries: Retries = Field(Retries(), description="What is tried again.")

    @property
    def title(self) -> str:
        """What the batch is called: its name, else its first case's."""
        return self.name or Path(self.cases[0]).stem


def plan_model(host: PluginHost) -> type[BatchPlan]:
    """Returns BatchPlan with its executor closed to those that `host` has."""
    if not host.names("executor"):
        return BatchPlan
    base = BatchPlan.model_fields["executor"]
    closed = (union_of(host, "executor") | None, Field(None, description=base.description))
    return create_model("BatchPlan", __base__=BatchPlan, executor=closed)


def make_batch_plan(host: PluginHost, content: Mapping[str, Any]) -> BatchPlan:
    """Returns the plan that `content` describes.

    Raises:
        ConfigError: With every problem of its form; cases and parameters are not looked at.
    """
    content = dict(content)
    if "case" in content and "cases" not in content:
        content["cases"] = [content.pop("case")]
    if isinstance(content.get("zip"), Mapping):
        content["zip"] = [content["zip"]]
    names = host.names("executor")
    content["executor"] = expand_shorthand("executor", content.get("executor"), names)
    try:
        text = json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        fix = "write paths, dates and the like as text"
        raise ConfigError(
            Problem("plan.not_json", "plan", "JSON types only", str(error), fix)
        ) from error
    model = plan_model(host)
    try:
        plan = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise ConfigError(*problems_of(model, error, content, "plan", ("case",))) from error
    problems = [*_problems(plan)]
    if problems:
        raise ConfigError(*problems)
    return plan


def read_batch_plan(host: PluginHost, path: Path) -> BatchPlan:
    """Reads a plan file; names of case files in it are relative to its folder.

    Raises:
        ConfigError: It is missing, not YAML, or not a plan.
    """
    plan = make_batch_plan(host, read_mapping(path, "plan"))
    return plan.model_copy(
        update={
            "name": plan.name or path.stem,
            "cases": tuple(_beside(path, case) for case in plan.cases),
            "overrides": {_beside(path, case): own for case, own in plan.overrides.items()},
        }
    )


@dataclass(frozen=True)
class Expansion:
    """The entries of a plan, in its order, and how many were merged into one that was there."""

    entries: tuple[Entry, ...]
    duplicates: int = 0


def expand_plan(plan: BatchPlan) -> Expansion:
    """Returns what a plan comes to; equal entries are merged.

    Raises:
        ConfigError: It comes to nothing, or to too many.
    """
    found: dict[str, Entry] = {}
    count = 0
    for case, parameters in _combinations(plan):
        count += 1
        if count > MOST_ENTRIES:
            raise ConfigError(_too_many())
        entry = Entry(entry_key(case, parameters), case, parameters)
        found.setdefault(entry.key, entry)
    if not found:
        raise ConfigError(_empty())
    return Expansion(tuple(found.values()), count - len(found))


def entry_key(case: str, parameters: Mapping[str, Any]) -> str:
    """Returns the stable id of a run within a plan; the order of parameters doesn't matter."""
    return hashlib.sha256(canonical([_named(case), parameters]).encode()).hexdigest()[:12]


def plan_id(keys: Iterable[str]) -> str:
    """Returns the stable id of a plan: that of the set of its runs, however they were written."""
    return hashlib.sha256(canonical(sorted(keys)).encode()).hexdigest()[:8]


def _named(case: str) -> str:
    """A case file is known by its name, so that a batch is the same one on another machine."""
    return Path(case).name if case.endswith(CASE_SUFFIXES) else case


def _combinations(plan: BatchPlan) -> Iterator[tuple[str, Parameters]]:
    seeds: Sequence[Parameters] = (
        [{"seed": n} for n in range(plan.repeats)] if plan.repeats > 1 else [{}]
    )
    tests = [_condition(text) for text in plan.where]
    for case in plan.cases:
        own = {**plan.overrides.get(case, {})}
        for parts in itertools.product(*_axes(plan), seeds):
            combined = {
                k: v for part in ({**plan.parameters}, *parts, own) for k, v in part.items()
            }
            if all(test(combined) for test in tests) and not _excluded(plan, combined):
                yield case, combined
        for extra in plan.include:
            yield case, {**plan.parameters, **extra, **own}


def _axes(plan: BatchPlan) -> Iterator[list[Parameters]]:
    """Yields the parts that are combined with one another, each a list of parameters."""
    if plan.runs:
        yield [*plan.runs]
    elif not plan.grid and not plan.zip and plan.include:
        yield []  # only what is included
    for key, values in plan.grid.items():
        yield [{key: value} for value in values_of(f"grid.{key}", values)]
    for number, group in enumerate(plan.zip):
        columns = [values_of(f"zip.{number}.{key}", values) for key, values in group.items()]
        yield [dict(zip(group, row, strict=True)) for row in zip(*columns, strict=True)]


def _excluded(plan: BatchPlan, parameters: Parameters) -> bool:
    return any(
        all(key in parameters and parameters[key] == value for key, value in each.items())
        for each in plan.exclude
    )


def _condition(text: str) -> Callable[[Parameters], bool]:
    match = CONDITION.fullmatch(text)
    assert match is not None
    key, sign, right = match[1], match[2], match[3]
    choices = [_scalar(part) for part in right.split(",")] if sign in ("=", "!=") else []

    def holds(parameters: Parameters) -> bool:
        value = parameters.get(key)
        if choices:
            return (value in choices) == (sign == "=")
        try:
            return bool(OPERATORS[sign](value, _scalar(right)))
        except TypeError:  # a text is neither below nor above a number
            return False

    return holds


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _problems(plan: BatchPlan) -> Iterator[Problem]:
    """Yields what pydantic cannot see: axes that are empty, lists that don't go side by side."""
    yield from _value_problems(plan)
    if not (
        plan.grid or plan.zip or plan.runs or plan.include or plan.cases[1:] or plan.repeats > 1
    ):
        fix = "add `grid`, `zip` or `runs`; `tunebook run` runs a case once"
        yield Problem("plan.empty", "plan", "something that varies", "nothing", fix)
    once = "say it in one of `grid`, `zip` and `parameters`"
    axes = [key for group in (plan.grid, *plan.zip, plan.parameters) for key in group]
    for key in sorted({key for key in axes if axes.count(key) > 1}):
        yield Problem("plan.twice", key, "values in one place", "values in two", once)
    if plan.repeats > 1 and ("seed" in axes or any("seed" in run for run in plan.runs)):
        found = f"seeds and repeats: {plan.repeats}"
        yield Problem("plan.twice", "repeats", "`repeats` or seeds", found, "drop one of them")
    for text in plan.where:
        if not CONDITION.fullmatch(text):
            fix = "write KEY=VALUE, KEY!=VALUE, KEY<VALUE and the like"
            yield Problem("plan.condition", "where", "a condition", f"`{text}`", fix)
    for case in plan.overrides.keys() - {*plan.cases}:
        fix = f"use one of {', '.join(f'`{name}`' for name in plan.cases)}"
        yield Problem("plan.override", "overrides", "a case of the plan", f"`{case}`", fix)
    if any(not group for group in plan.exclude):
        fix = "name at least one value"
        yield Problem("plan.exclude", "exclude", "values to leave out", "an empty one", fix)


def _value_problems(plan: BatchPlan) -> Iterator[Problem]:
    places = [(f"grid.{key}", value) for key, value in plan.grid.items()]
    for number, group in enumerate(plan.zip):
        lengths = {}
        for key, value in group.items():
            places.append((f"zip.{number}.{key}", value))
            if value != []:
                lengths[key] = _length(key, value)
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{key}: {length}" for key, length in lengths.items())
            fix = "make them equally long, or use `grid` for all combinations"
            yield Problem("plan.zip", f"zip.{number}", "lists of one length", found, fix)
    for where, value in places:
        try:
            values_of(where, value)
        except ConfigError as error:
            yield from error.problems


def _length(where: str, value: Any) -> int:
    try:
        return len(values_of(where, value))
    except ConfigError:
        return -1  # told elsewhere


def _beside(plan: Path, case: str) -> str:
    file = plan.parent / case
    return str(file.resolve()) if case.endswith(CASE_SUFFIXES) and file.is_file() else case


def _empty() -> Problem:
    found = "`where` and `exclude` leave nothing"
    return Problem("plan.empty", "plan", "at least one run", found, "loosen them")


def _too_many() -> Problem:
    found, fix = "more", "split the plan, or leave some out with `where`"
    return Problem("plan.too_large", "plan", f"at most {MOST_ENTRIES:,} runs", found, fix)
