"""The pytest decorator: what an author writes, and how expectations are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testing import sound
from tunebook.errors import ConfigError
from tunebook.specs import hookimpl
from tunebook.testing import CheckFailed, parametrize_checks, run_checks

TEMPLATE = Path(__file__).parents[2] / "templates" / "my_strategy.py"
REASON = "the summary is to be shortened before the release"
LONG = "any/summary-is-one-line"


class Metrics:
    """Hooks of a plugin made in a session."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    @hookimpl
    def tunebook_metrics(self) -> Any:
        from dataclasses import replace

        yield replace(METRIC, **self.changes)


METRIC = sound.MetricPlugin(
    "hits", "Hits.", sound.HitsConfig, "testing.sound:Hits", scores=("hits",)
)


def parameters(*args: Any, **options: Any) -> dict[str, Any]:
    """Returns the parameters that the decorator gives to a test, by id."""
    mark = parametrize_checks(*args, **options).mark
    assert mark.args[0] == "check"
    return {parameter.id: parameter for parameter in mark.args[1]}


@parametrize_checks(str(TEMPLATE), slow=pytest.mark.slow)
def test_the_template_of_a_strategy_keeps_its_contract(check: Any) -> None:
    check()


def test_ids_are_the_same_each_time_and_say_plugin_and_check() -> None:
    first, again = (parameters("metric:f1") for _ in range(2))
    assert [*first] == [*again]
    assert len(first) == 21
    assert "metric:f1-metric/scores-are-finite" in first


def test_a_name_of_two_kinds_means_both_unless_a_kind_is_given() -> None:
    both = parameters("hub", settings={"name": "someone/something"})
    assert {name.partition("-")[0] for name in both} == {"datasource:hub", "model:hub"}
    one = parameters("hub", kind="model", settings={"name": "someone/something"})
    assert {name.partition("-")[0] for name in one} == {"model:hub"}


def test_slow_checks_take_the_mark_that_is_given() -> None:
    marked = parameters("metric:f1", slow=pytest.mark.slow)
    slow = [name for name, parameter in marked.items() if parameter.marks]
    assert slow == ["metric:f1-any/its-module-is-light"]


def test_a_failure_is_an_assertion_that_says_what_to_do() -> None:
    failing = parameters("hits", plugins=[Metrics(summary="Two\nlines.")])
    (check,) = failing[f"metric:hits-{LONG}"].values
    with pytest.raises(CheckFailed, match="say in one line what it does"):
        check()


def test_what_cannot_be_checked_is_skipped_with_the_reason() -> None:
    (check,) = parameters("csv")["datasource:csv-datasource/rows-are-a-table"].values
    with pytest.raises(pytest.skip.Exception, match="needs a value for `path`"):
        check()


def test_expected_failures_are_strict() -> None:
    parameter = parameters("metric:f1", expected_failures={LONG: REASON})[f"metric:f1-{LONG}"]
    (mark,) = parameter.marks
    assert (mark.name, mark.kwargs) == ("xfail", {"reason": REASON, "strict": True})


@pytest.mark.parametrize(("summary", "outcome"), [("Two\nlines.", "expected"), ("x", "failed")])
def test_an_expected_failure_must_fail(summary: str, outcome: str) -> None:
    plugins, expected = [Metrics(summary=summary)], {LONG: REASON}
    results = run_checks("hits", plugins=plugins, expected_failures=expected, quick=True)
    (result,) = [result for result in results if result.check == LONG]
    assert result.outcome == outcome
    assert REASON in result.found
    assert {other.outcome for other in results if other is not result} == {"passed"}


@pytest.mark.parametrize(
    ("expected", "code", "fix"),
    [
        ({LONG: " "}, "check.no_reason", "say why"),
        ({"any/summary-is-one-lin": REASON}, "check.unknown", f"did you mean `{LONG}`?"),
    ],
)
def test_an_expectation_needs_a_reason_and_a_check(
    expected: dict[str, str], code: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parametrize_checks("metric:f1", expected_failures=expected)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert problem.fix.startswith(fix)


@pytest.mark.parametrize(
    ("name", "options", "code", "fix"),
    [
        ("acuracy", {}, "plugin.unknown", "did you mean `accuracy`?"),
        ("f1", {"kind": "metrc"}, "check.unknown_kind", "did you mean `metric`?"),
        ("f1", {"kind": "strategy"}, "plugin.unknown", "use one of"),
        ("csv", {"settings": {"pth": "x"}}, "check.unknown_setting", "did you mean `path`?"),
        ("lora", {"settings": {"r": 0}}, "check.invalid_setting", "give another value"),
    ],
)
def test_a_mistake_is_told_before_any_check(
    name: str, options: dict[str, Any], code: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run_checks(name, **options)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert problem.fix.startswith(fix)


def test_a_plugin_that_the_host_left_out_is_told_with_the_hosts_reason(tmp_path: Path) -> None:
    file = tmp_path / "torn.py"
    file.write_text("import no_such_module\n")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(ConfigError) as caught:
        run_checks(str(file))
    assert "no_such_module" in caught.value.problems[0].found


def test_settings_reach_the_checks(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\na,b\nc,d\n")
    results = run_checks("csv", settings={"path": str(file)}, quick=True)
    assert {result.outcome for result in results} == {"passed"}
    assert len(results) == 18


def test_a_plugin_on_which_little_can_be_checked_does_not_pass() -> None:
    results = {result.check: result for result in run_checks("csv", quick=True)}
    short = results["any/enough-checks-can-be-made"]
    assert short.outcome == "failed"
    assert "needs a value for `path`" in short.found
    assert results["datasource/rows-are-a-table"].outcome == "skipped"
