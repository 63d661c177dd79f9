"""What a stranger's plugin raises names the plugin, whichever of its parts was running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from tunebook.errors import DataError, TrainingError, TunebookError
from tunebook.host import PluginHost
from tunebook.records import find_runs
from tunebook.runner import run_case
from tunebook.schema import CaseSchema

STRANGER = """
from typing import Literal

import pandas as pd
from transformers import TrainerCallback

from tunebook.config import PluginConfig
from tunebook.contracts import Card, MetricResult, Prepared, SourceData
from tunebook.specs import AugmenterPlugin, DataSourcePlugin, MetricPlugin, StrategyPlugin, hookimpl


class ShelfConfig(PluginConfig):
    kind: Literal["shelf"] = "shelf"


class EchoConfig(PluginConfig):
    kind: Literal["echo"] = "echo"


class HitsConfig(PluginConfig):
    kind: Literal["hits"] = "hits"


class HastyConfig(PluginConfig):
    kind: Literal["hasty"] = "hasty"
    late: bool = False


class Stranger:
    def __init__(self, config):
        self.config = config


class Shelf(Stranger):
    def load(self):
        return SourceData(pd.DataFrame({"text": []}).drop(columns="colour"), Card("", "", "", ""))


class Echo(Stranger):
    def augment(self, text, context):
        return text[999]


class Hits(Stranger):
    def compute(self, predictions):
        return MetricResult({"hits": 1 / 0})


class Late(TrainerCallback):
    def on_step_end(self, *args, **kwargs):
        raise LookupError("no such step")


class Hasty(Stranger):
    def prepare(self, model, context):
        if not self.config.late:
            model.backbone.get_submodule("nowhere")
        return Prepared(model, context.groups(model), callbacks=[Late()])


@hookimpl
def tunebook_datasources():
    yield DataSourcePlugin("shelf", "Rows.", ShelfConfig, f"{__name__}:Shelf")


@hookimpl
def tunebook_augmenters():
    yield AugmenterPlugin("echo", "Texts.", EchoConfig, f"{__name__}:Echo")


@hookimpl
def tunebook_metrics():
    yield MetricPlugin("hits", "Hits.", HitsConfig, f"{__name__}:Hits", scores=("hits",))


@hookimpl
def tunebook_strategies():
    yield StrategyPlugin("hasty", "Hasty.", HastyConfig, f"{__name__}:Hasty")
"""


@pytest.mark.parametrize(
    ("changes", "error", "plugin", "found"),
    [
        ({"data": {"kind": "shelf"}}, DataError, "datasource `shelf`", "KeyError"),
        ({"augmentation": [{"kind": "echo"}]}, DataError, "augmenter `echo`", "IndexError"),
        ({"metrics": ["f1", "hits"]}, TrainingError, "metric `hits`", "ZeroDivisionError"),
        ({"strategy": "hasty"}, TrainingError, "strategy `hasty`", "nowhere"),
        (
            {"strategy": {"kind": "hasty", "late": True}},
            TrainingError,
            "strategy `hasty`",
            "LookupError: no such step",
        ),
    ],
)
def test_a_plugin_that_raises_is_named(
    tiny_bert: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    error: type[TunebookError],
    plugin: str,
    found: str,
) -> None:
    (tmp_path / "stranger.py").write_text(STRANGER)
    host = PluginHost(files=[tmp_path / "stranger.py"])
    case = CaseSchema(host).validate(tiny.case_content(tiny_bert, **changes))
    with pytest.raises(error) as caught:
        run_case(case, host, runs_dir=tmp_path / "runs", listeners=[])
    (problem,) = caught.value.problems
    assert problem.code == "plugin.raised"
    assert plugin in problem.where
    assert "stranger.py" in problem.where
    assert found in problem.found
    assert "(stranger.py, line " in problem.found
    (directory,) = find_runs(tmp_path / "runs")
    record = directory.read_record()
    assert (record.status, record.error) == ("failed", caught.value.to_dict())
    assert not directory.model.exists()
