"""The matrix strategy × task × family × head: every cell is run or refused, and the docs say so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing import broken, sound
from tunebook.cli.matrix import HEAD, as_markdown
from tunebook.host import PluginHost
from tunebook.specs import FAMILIES, FORMS, TASKS, StrategyPlugin, Tags
from tunebook.testing.matrix import Cell, combinations, fill_matrix
from tunebook.testing.task_forms import TASK_FORMS

HOST = PluginHost()
DOCS = Path(__file__).parents[2] / "docs" / "matrix.md"
STRATEGIES = [
    pytest.param(name, marks=pytest.mark.adapters if name == "adapter" else ())
    for name in HOST.names("strategy")
]


def test_every_kind_of_task_has_data_and_every_strategy_its_cells() -> None:
    assert {task["kind"] for task, _ in TASK_FORMS.values()} == {*TASKS}
    names = HOST.names("strategy")
    assert len(names) >= 14
    cells = [*combinations(names)]
    assert len({*cells}) == len(cells) == len(names) * len(TASK_FORMS) * len(FAMILIES) * len(FORMS)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_cell_is_untested_and_the_docs_tell_each(strategy: str) -> None:
    cells = [*fill_matrix(HOST, [strategy])]
    assert len(cells) == len(TASK_FORMS) * len(FAMILIES) * len(FORMS)
    assert [cell for cell in cells if cell.outcome not in ("passes", "not legal")] == []
    assert all(bool(cell.why) == (cell.outcome == "not legal") for cell in cells)
    assert any(cell.outcome == "passes" for cell in cells)
    told = DOCS.read_text(encoding="utf-8").splitlines()
    rows = [line for line in as_markdown(cells).splitlines() if f"`{strategy}`" in line]
    assert len(rows) == len(TASK_FORMS)
    assert [line for line in told if line.startswith(f"| `{strategy}` |")] == rows


def test_the_docs_have_all_strategies_and_tasks() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [*TASK_FORMS]
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert named == HOST.names("strategy") * len(TASK_FORMS)


def host_with(**changes: Any) -> PluginHost:
    """Returns a host with the sound strategy, `biases`, with `changes` to it."""
    host = PluginHost()
    biases = StrategyPlugin("biases", "Biases.", sound.BiasesConfig, "testing.sound:Biases")
    host.add(replace(biases, **changes))
    return host


def only_cell(host: PluginHost, family: str, form: str) -> Cell:
    """Returns one cell of `biases`; the others are not asked for."""
    cells = (c for c in fill_matrix(host, ["biases"]) if c.task == "text_classification")
    return next(cell for cell in cells if (cell.family, cell.form) == (family, form))


class Still(sound.Biases):
    """Trains at no rate."""

    def prepare(self, model: Any, context: Any) -> Any:
        prepared = super().prepare(model, context)
        for group in prepared.groups:
            group["lr"] = 0.0
        return prepared


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        (f"{broken.__name__}:Unsaved", "other logits once it is loaded"),
        (f"{__name__}:Still", "the loss goes from"),
        (f"{broken.__name__}:Crashing", "KeyError"),
    ],
)
def test_a_strategy_that_does_not_work_fails(factory: str, why: str) -> None:
    family = "decoder" if "Crashing" in factory else "encoder"
    tags = Tags(families=(family,))
    cell = only_cell(host_with(factory=factory, tags=tags), family, "linear")
    assert cell.outcome == "fails"
    assert why in cell.why


def test_tags_that_a_run_does_not_ask_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that comes later than the table would come too late."""
    monkeypatch.setattr("tunebook.subject.check_legal", lambda *_, **__: None)
    cell = only_cell(host_with(tags=Tags(families=("decoder",))), "encoder", "linear")
    assert cell.outcome == "fails"
    assert "not refused before a model is loaded" in cell.why


def test_what_is_not_legal_says_why() -> None:
    cell = only_cell(host_with(tags=Tags(families=("decoder",))), "encoder", "linear")
    assert (cell.outcome, cell.why) == ("not legal", "it doesn't work on an encoder")


def test_a_missing_package_is_told() -> None:
    host = host_with(requires=("no_such_module",), install="pip install it")
    cell = only_cell(host, "encoder", "linear")
    assert (cell.outcome, cell.why) == ("missing", "needs no_such_module: pip install it")


def test_the_command_prints_the_table_and_fails_with_a_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from click.testing import CliRunner

    from tunebook.cli.application import application

    cells = [
        Cell("full", "text_classification", "encoder", "linear", "passes"),
        Cell("full", "text_classification", "decoder", "linear", "fails", "a crash"),
    ]
    monkeypatch.setattr("tunebook.testing.matrix.fill_matrix", lambda *_: cells)
    result = CliRunner().invoke(application, ["matrix", "full", "--json"])
    answer = json.loads(result.stdout)
    assert result.exit_code == 2
    assert answer["counts"] == {"passes": 1, "fails": 1}
    assert answer["cells"][1]["why"] == "a crash"
    (problem,) = answer["error"]["problems"]
    assert problem["where"] == "full × text_classification × decoder × linear"
    text = CliRunner().invoke(application, ["matrix", "full"]).stderr
    assert "| `full` | passes | fails | a crash |" in text
