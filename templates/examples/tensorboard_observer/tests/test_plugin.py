import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tunebook import PluginHost, run_case
from tunebook.schema import CaseSchema
from tunebook.testing import parametrize_checks
from tunebook.testing.tiny import case_content, save_tiny_bert
from tunebook_tensorboard import impl


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEBOOK_TENSORBOARD_DIR", str(tmp_path / "curves"))
    monkeypatch.setenv("TUNEBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "curves"


@parametrize_checks("tensorboard")
def test_it_keeps_the_contract_of_an_observer(check):
    check()


def test_a_run_leaves_its_curves(tmp_path, place):
    host = PluginHost(only=["tunebook", "tensorboard"])
    case = CaseSchema(host).validate(case_content(save_tiny_bert(tmp_path / "bert")))
    run = run_case(case, host, runs_dir=tmp_path / "runs", listeners=[])
    assert run.record.warnings == ()
    curves = EventAccumulator(str(place / "tiny" / run.id)).Reload()
    names = set(curves.Tags()["scalars"])
    assert {"train/loss", "train/learning_rate", "validation/macro_f1", "test/macro_f1"} <= names
    evaluations = [event for event in run.events if event["type"] == "evaluation"]
    drawn = {point.step: point.value for point in curves.Scalars("validation/macro_f1")}
    assert len(drawn) == 3
    assert drawn == pytest.approx({e["step"]: e["scores"]["macro_f1"] for e in evaluations})
    assert run.id not in impl.WRITERS
