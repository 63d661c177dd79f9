"""A run that is judged on its validation rows leaves the test rows unseen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.subject import Subject


def case(folder: Path, **changes: Any) -> Any:
    return CaseSchema(PluginHost()).validate(tiny.case_content(folder, **changes))


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Splits whose inputs were asked for."""
    return []


@pytest.fixture(scope="module")
def judged(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory, asked: list[str]) -> Run:
    inputs = Subject.inputs

    def spy(self: Subject, name: str, *rest: Any) -> Any:
        asked.append(name)
        return inputs(self, name, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Subject, "inputs", spy)
        return run_case(
            case(tiny_bert, evaluation={"split": "validation"}),
            runs_dir=tmp_path_factory.mktemp("runs"),
            listeners=[],
        )


def test_what_is_predicted_are_the_validation_rows(judged: Run, tiny_bert: Path) -> None:
    rows = load_dataset(case(tiny_bert), PluginHost()).split("validation")
    predictions = judged.saved(judged.place.predictions)
    assert predictions["id"].tolist() == rows["id"].tolist()
    assert judged.report.split == "validation"
    assert judged.report.rows == len(rows) == 27


def test_nothing_asks_for_the_test_rows(judged: Run, asked: list[str]) -> None:
    assert judged.record.status == "succeeded"
    assert {*asked} == {"train", "validation"}


def test_baselines_are_judged_on_the_same_rows(judged: Run, tiny_bert: Path) -> None:
    (majority, tfidf) = judged.report.baselines
    rows = load_dataset(case(tiny_bert), PluginHost()).split("validation")
    assert majority.scores["accuracy"].value == pytest.approx(
        rows["label"].value_counts(normalize=True).max(), abs=0.2
    )
    comparison = next(c for c in judged.report.comparisons if c.against == tfidf.name)
    own, theirs = judged.report.scores, tfidf.scores
    assert comparison.difference.value == pytest.approx(
        own[comparison.score].value - theirs[comparison.score].value
    )


def test_the_best_score_of_training_is_the_one_that_is_told(judged: Run) -> None:
    # both are of the same rows and the same weights
    assert judged.report.scores["macro_f1"].value == pytest.approx(judged.record.training["best"])


def test_its_words_say_which_rows(judged: Run) -> None:
    assert judged.scores().index.name == "validation score"
    report = judged.directory.report.read_text()
    assert "27 validation texts" in report
    assert "27 test texts" not in report
    assert judged.report._repr_html_().count("validation split")


def test_it_is_not_compared_with_a_run_that_is_judged_on_test_rows(
    judged: Run, tiny_bert: Path, tmp_path: Path
) -> None:
    other = run_case(case(tiny_bert), runs_dir=tmp_path, listeners=[])
    assert other.report.split == "test"
    with pytest.raises(ConfigError, match="scored on the same texts"):
        judged.compare(other)
    assert judged.compare(judged).loc["macro_f1", "difference"] == 0
