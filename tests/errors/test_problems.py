"""Errors have one shape, which survives being printed and read again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tunebook.errors import (
    ConfigError,
    DataError,
    MachineError,
    Problem,
    StoppedError,
    TrainingError,
    TunebookError,
    did_you_mean,
    nearest,
    parse_problems,
    shorten,
)

WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60)
CODES = st.from_regex(r"[a-z]+\.[a-z_]+", fullmatch=True)


def one_line(problem: Problem) -> Problem:
    fields = (problem.where, problem.expected, problem.found, problem.fix)
    return Problem(problem.code, *(" ".join(field.split()) for field in fields))


@given(st.lists(st.builds(Problem, CODES, WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=4))
def test_problems_are_read_back_from_the_text_of_an_error(problems: list[Problem]) -> None:
    assert parse_problems(str(ConfigError(*problems))) == [one_line(p) for p in problems]


@given(st.text())
def test_other_text_holds_no_problems(text: str) -> None:
    assert parse_problems(text) == []


def test_every_error_has_its_exit_code() -> None:
    assert issubclass(ConfigError, TunebookError)
    assert ConfigError.exit_code == 2
    assert [c.exit_code for c in (DataError, TrainingError, StoppedError, MachineError)] == [
        3, 4, 5, 6,
    ]  # fmt: skip


def test_a_near_name_is_offered_and_a_far_one_is_not() -> None:
    assert nearest("LORRA", ["lora", "full"]) == "lora"
    assert nearest("xyz", ["lora", "full"]) is None
    assert did_you_mean("xyz", ["b", "a"]) == "use one of `a`, `b`"
    assert did_you_mean("xyz", []) == "there is nothing to choose from"


def test_long_values_are_shortened() -> None:
    assert shorten("x" * 500) == "'" + "x" * 118 + "…"


def test_html_is_escaped() -> None:
    page = ConfigError(Problem("a.b", "<script>", "x", "y", "z"))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
