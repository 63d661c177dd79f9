"""A whole plan is checked before the first kernel starts: every run, as `tunebook run` would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tunebook.batch.entry import Entry
from tunebook.batch.values import canonical, in_words
from tunebook.config import CaseConfig
from tunebook.errors import ConfigError, MachineError, Problem, TunebookError
from tunebook.estimates import settings_digest
from tunebook.host import PluginHost
from tunebook.notebooks.launch import Plan, Planner
from tunebook.schema import CaseSchema

MOST_PROBLEMS = 20
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Validated:
    """Runs that can be started.

    Attributes:
        entries: In the plan's order, each of another case or with other settings.
        settings: By entry, a digest of the whole case without its seed: what makes two runs
            repetitions of one another.
        strategies: By entry, case and strategy.
        same: By entry that was left out, the one that comes to the same run.
    """

    entries: tuple[Entry, ...]
    settings: Mapping[str, str]
    strategies: Mapping[str, tuple[str, str]]
    same: Mapping[str, str]


def validate_entries(
    host: PluginHost, entries: Sequence[Entry], *, with_notebook: bool = True
) -> Validated:
    """Returns the entries, all of which were planned.

    Entries that differ in nothing but their seed are planned once.

    Raises:
        TunebookError: With every distinct problem, and the first entry that has it.
    """
    validator = _Validator(host, with_notebook)
    kept: dict[str, Entry] = {}
    settings: dict[str, str] = {}
    strategies: dict[str, tuple[str, str]] = {}
    same: dict[str, str] = {}
    first: dict[tuple[str, str, int], str] = {}
    for entry in entries:
        found = validator.look(entry)
        if found is None:
            continue
        identity = (found.digest, found.own, found.seed)
        if identity in first:
            same[entry.key] = first[identity]
            continue
        first[identity] = entry.key
        kept[entry.key] = entry
        settings[entry.key] = found.digest
        strategies[entry.key] = (found.case, found.strategy)
    validator.raise_problems()
    return Validated(tuple(kept.values()), settings, strategies, same)


@dataclass(frozen=True)
class _Found:
    """What planning an entry comes to; `own` is what its notebook alone knows of."""

    case: str
    strategy: str
    digest: str
    own: str
    seed: int


class _Validator:
    def __init__(self, host: PluginHost, with_notebook: bool) -> None:
        self._host = host
        self._with_notebook = with_notebook
        self._schema = CaseSchema(host)
        self._planners: dict[str, Planner | None] = {}
        self._seen: dict[str, _Found | None] = {}
        self._problems: dict[tuple[str, ...], tuple[Problem, str, int]] = {}
        self._machine_alone = True

    def look(self, entry: Entry) -> _Found | None:
        """Returns what an entry comes to, None when it has a problem, which is kept."""
        rest = {key: value for key, value in entry.parameters.items() if key != "seed"}
        seed = entry.parameters.get("seed")
        plain = type(seed) is int and 0 <= seed <= LARGEST_SEED
        key = canonical([entry.case, rest if plain else dict(entry.parameters), plain])
        if key not in self._seen:
            self._seen[key] = self._plan(entry)
        found = self._seen[key]
        return replace(found, seed=seed) if found is not None and plain else found  # type: ignore[arg-type]

    def raise_problems(self) -> None:
        """Raises what was found, if anything."""
        if not self._problems:
            return
        told = [_with_entry(*kept) for kept in [*self._problems.values()][:MOST_PROBLEMS]]
        left = len(self._problems) - len(told)
        if left:
            fix = "mend those above first"
            told.append(Problem("plan.more", "plan", "no problems", f"{left} more", fix))
        raise (MachineError if self._machine_alone else ConfigError)(*told)

    def _plan(self, entry: Entry) -> _Found | None:
        try:
            planner = self._planner(entry.case)
            return _found(planner.plan(entry.parameters)) if planner else None
        except TunebookError as error:
            self._keep(error, in_words(entry.parameters))
            return None

    def _planner(self, case: str) -> Planner | None:
        if case not in self._planners:
            self._planners[case] = None
            self._planners[case] = Planner(
                self._host, case, with_notebook=self._with_notebook, schema=self._schema
            )
        return self._planners[case]

    def _keep(self, error: TunebookError, words: str) -> None:
        self._machine_alone &= isinstance(error, MachineError)
        for problem in error.problems:
            key = (problem.code, problem.where, problem.found)
            kept, first, count = self._problems.get(key, (problem, words, 0))
            self._problems[key] = (kept, first, count + 1)


def _found(plan: Plan) -> _Found:
    case = plan.case
    known = {*CaseConfig.model_fields, "preset", "overrides"}
    own = {key: value for key, value in plan.injected.items() if key not in known}
    digest = settings_digest(case.to_json_dict())
    return _Found(case.name, case.strategy.kind, digest, canonical(own), case.seed)


def _with_entry(problem: Problem, words: str, count: int) -> Problem:
    more = f" and {count - 1} more" if count > 1 else ""
    return replace(problem, found=f"{problem.found} in {words}{more}") if words else problem
