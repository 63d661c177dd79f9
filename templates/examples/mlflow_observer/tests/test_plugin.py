import pytest
from mlflow import MlflowClient

from tunebook import PluginHost, run_case
from tunebook.errors import DataError
from tunebook.schema import CaseSchema
from tunebook.testing import parametrize_checks
from tunebook.testing.tiny import case_content, save_tiny_bert


@pytest.fixture
def client(tmp_path, monkeypatch):
    """MLflow in a folder of this test."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("TUNEBOOK_CACHE", str(tmp_path / "cache"))
    return MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())


@parametrize_checks("mlflow")
def test_it_keeps_the_contract_of_an_observer(check, client):
    check()


def run(tmp_path, **changes):
    host = PluginHost(only=["tunebook", "mlflow"])
    content = case_content(save_tiny_bert(tmp_path / "bert"), **changes)
    content["training"]["epochs"] = 1
    return run_case(
        CaseSchema(host).validate(content), host, runs_dir=tmp_path / "runs", listeners=[]
    )


def only_run(client):
    experiment = client.get_experiment_by_name("tiny")
    (found,) = client.search_runs([experiment.experiment_id])
    return found


def test_a_run_is_a_run_of_mlflow_with_the_same_numbers(tmp_path, client):
    record = run(tmp_path).record
    assert record.warnings == ()
    found = only_run(client)
    assert (found.info.run_name, found.info.status) == (record.run_id, "FINISHED")
    score = record.report.scores["macro_f1"]
    told = [found.data.metrics[f"test/macro_f1{end}"] for end in ("", "_low", "_high")]
    assert told == [score.value, score.low, score.high]
    assert found.data.params["strategy"] == "full"
    assert found.data.params["plugin.strategy.full"].startswith("tunebook ")
    assert found.data.tags["tunebook.run_id"] == record.run_id


def test_a_run_that_failed_says_of_what(tmp_path, client):
    with pytest.raises(DataError):
        run(tmp_path, data={"kind": "csv", "path": str(tmp_path / "no_file.csv")})
    found = only_run(client)
    assert found.info.status == "FAILED"
    assert found.data.tags["tunebook.error"].startswith("data.")


def test_a_server_that_cannot_be_reached_disturbs_nothing(tmp_path, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "file").as_uri())
    (tmp_path / "file").write_text("no folder")
    record = run(tmp_path).record
    assert record.status == "succeeded"
    (warning,) = record.warnings
    assert "`tunebook-mlflow:mlflow` failed in tunebook_run_finished" in warning
