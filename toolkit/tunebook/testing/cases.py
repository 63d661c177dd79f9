"""What a case promises: settings that are valid, and a notebook that runs them."""

from __future__ import annotations

from tunebook.errors import MachineError, TunebookError
from tunebook.testing.candidate import Candidate
from tunebook.testing.check import CheckFailed, CheckSkipped, check, demand

DEFAULT = "default"


def _resolve(candidate: Candidate, **parameters: str) -> None:
    from tunebook.cases import resolve_case

    try:
        resolve_case(candidate.host, candidate.descriptor.name, parameters)
    except MachineError as error:
        raise CheckSkipped(error.problems[0].found) from error
    except TunebookError as error:
        problem = error.problems[0]
        raise CheckFailed(f"{problem.where}: {problem.found}", problem.fix) from error


@check("case")
def settings_are_valid(candidate: Candidate) -> None:
    """The case file is valid as it stands."""
    _resolve(candidate)


@check("case")
def presets_are_valid(candidate: Candidate) -> None:
    """Every preset and every section for a strategy makes a valid case."""
    from tunebook.cases import read_case_file

    file = read_case_file(candidate.descriptor.file)
    for preset in file.presets:
        _resolve(candidate, preset=preset)
    for strategy in file.strategies:
        _resolve(candidate, strategy=strategy)


@check("case")
def notebook_passes_the_linter(candidate: Candidate) -> None:
    """Its notebook exists, holds no outputs, and has the parameters that a run sets."""
    from tunebook.notebooks import lint_notebook

    try:
        problems = lint_notebook(candidate.descriptor.notebook)
    except TunebookError as error:
        problems = [*error.problems]
    found = "; ".join(f"{problem.where}: {problem.found}" for problem in problems[:3])
    demand(not problems, found, problems[0].fix if problems else "")
