"""The template of a strategy in one file works as it stands, from training to a fresh load."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tiny
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.runner import run_case
from tunebook.schema import CaseSchema

TEMPLATE = Path(__file__).parents[2] / "templates" / "my_strategy.py"


def test_the_template_trains_biases_and_head_only(tiny_bert: Path, tmp_path: Path) -> None:
    host = PluginHost(files=[TEMPLATE], strict=True)
    case = CaseSchema(host).validate(tiny.case_content(tiny_bert, strategy="my_bitfit"))
    run = run_case(case, host, runs_dir=tmp_path, listeners=[])
    assert run.record.plugins["strategy:my_bitfit"] == str(TEMPLATE)
    assert 0.01 < run.record.parameters["share"] < 0.1
    texts = ["heart valve", "skin rash"]
    first, second = (load_classifier(run.directory, host).logits(texts) for _ in range(2))
    assert np.array_equal(first, second)
