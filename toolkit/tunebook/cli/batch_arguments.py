"""From the words of `tunebook batch` to a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.batch.plan import BatchPlan
    from tunebook.host import PluginHost

GROUPED = ("--grid", "--zip", "--include", "--exclude")
"""Options that take all the KEY=VALUES behind them."""
SEPARATOR = "\x1f"


def gather(arguments: Sequence[str]) -> list[str]:
    """Returns arguments in which each grouped option has its values in one argument.

    ``--grid a=1,2 b=3`` becomes ``--grid``, ``a=1,2<separator>b=3``, since click's options take a
    fixed number of values.
    """
    gathered: list[str] = []
    words = [*arguments]
    while words:
        word = words.pop(0)
        if word == "--":
            return [*gathered, word, *words]
        name, equals, first = word.partition("=")
        if name not in GROUPED:
            gathered.append(word)
            continue
        values = [first] if equals else []
        while words and "=" in words[0] and not words[0].startswith("-"):
            values.append(words.pop(0))
        gathered += [name, SEPARATOR.join(values)] if values else [name]
    return gathered


@dataclass(frozen=True)
class Given:
    """What was written on the command line, as it came."""

    names: Sequence[str]
    parameters: Sequence[str] = ()
    grid: Sequence[str] = ()
    zips: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    where: Sequence[str] = ()
    repeats: int | None = None
    name: str | None = None
    executor: str | None = None
    executor_settings: Sequence[str] = ()
    no_notebook: bool = False
    kernel: str | None = None
    limits: Mapping[str, float | None] | None = None
    retries: int | None = None


def plan_from(host: PluginHost, given: Given) -> BatchPlan:
    """Returns the plan that a command line means: that of a file, or one made of options.

    Raises:
        ConfigError: With everything that is wrong with its form.
    """
    from tunebook.batch.plan import make_batch_plan, read_batch_plan

    file = plan_file(given)
    if file is None:
        content = _content(given)
    else:
        plan = read_batch_plan(host, file)
        content = plan.model_dump(mode="json")
    return make_batch_plan(host, _with_options(given, content))


def executor_content(given: Given, content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns the executor that options choose, over what a plan says of it; None for the usual.

    Raises:
        ConfigError: A setting is not KEY=VALUE.
    """
    from tunebook.cases import parse_parameters

    settings = parse_parameters(given.executor_settings)
    below = dict(content or {})
    kind = given.executor or below.get("kind")
    if kind is None and not settings:
        return None
    kept = below if below.get("kind") == kind else {}
    return {**kept, "kind": kind or "local", **settings}


def plan_file(given: Given) -> Path | None:
    """Returns the plan file that was named; a case file has no `cases`."""
    from tunebook.cases import read_mapping

    if len(given.names) != 1 or Path(given.names[0]).suffix not in (".yaml", ".yml", ".json"):
        return None
    path = Path(given.names[0])
    content = read_mapping(path, "plan")
    options = {
        "-p": given.parameters,
        "--grid": given.grid,
        "--zip": given.zips,
        "--include": given.include,
        "--exclude": given.exclude,
        "--where": given.where,
        "--repeats": given.repeats,
    }
    used = [option for option, value in options.items() if value]
    if not {"case", "cases"} & content.keys():
        looks_like_a_plan = {"grid", "zip", "runs", "repeats"} & content.keys()
        return path if looks_like_a_plan else None
    if used:
        fix = f"write it into {path}, or name a case instead"
        raise ConfigError(Problem("plan.twice", used[0], "a plan file alone", "both", fix))
    return path


def _content(given: Given) -> dict[str, Any]:
    from tunebook.batch.values import parse_axes
    from tunebook.cases import parse_parameters

    content: dict[str, Any] = {
        "cases": [_absolute(name) for name in given.names],
        "parameters": parse_parameters(given.parameters),
        "grid": parse_axes("--grid", [*_words(given.grid)]),
        "zip": [parse_axes("--zip", group.split(SEPARATOR)) for group in given.zips],
        "where": [*given.where],
        "include": [parse_parameters(group.split(SEPARATOR)) for group in given.include],
        "exclude": [parse_parameters(group.split(SEPARATOR)) for group in given.exclude],
    }
    return content | ({"repeats": given.repeats} if given.repeats is not None else {})


def _with_options(given: Given, content: dict[str, Any]) -> dict[str, Any]:
    limits = {key: value for key, value in (given.limits or {}).items() if value is not None}
    changes: dict[str, Any] = {
        "executor": executor_content(given, content.get("executor")),
        "limits": {**content.get("limits", {}), **limits},
    }
    changes |= {
        key: value
        for key, value in (("name", given.name), ("kernel", given.kernel))
        if value is not None
    }
    if given.retries is not None:
        changes["retries"] = {**content.get("retries", {}), "times": given.retries}
    if given.no_notebook:
        changes["with_notebook"] = False
    return content | changes


def _absolute(name: str) -> str:
    """A case file must be found from wherever the batch is gone on with."""
    path = Path(name)
    is_file = path.suffix in (".yaml", ".yml", ".json") and path.is_file()
    return str(path.resolve()) if is_file else name


def _words(groups: Iterable[str]) -> Iterable[str]:
    return (word for group in groups for word in group.split(SEPARATOR))
