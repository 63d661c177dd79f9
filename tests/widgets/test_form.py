"""Forms made from configs: every field has an input, and what is wrong is told beside it."""

from __future__ import annotations

import ast
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import tiny
import tunebook as tb
from tunebook.cases import parse_parameters, read_case_file, resolve_case
from tunebook.errors import ConfigError
from tunebook.host import PluginHost
from tunebook.schema import CaseSchema
from tunebook.specs import KINDS as PLUGIN_KINDS
from tunebook.specs import BuiltDescriptor
from tunebook.widgets.fields import KINDS, Field, fields_of
from tunebook.widgets.form import CaseForm, configure

HOST = PluginHost()


def configs() -> list[tuple[str, Any]]:
    return [
        (f"{kind}:{name}", HOST.get(kind, name).config)
        for kind in PLUGIN_KINDS
        for name in HOST.names(kind)
        if isinstance(HOST.get(kind, name), BuiltDescriptor)
    ]


def test_every_bundled_plugin_can_be_filled_in() -> None:
    """Each field shows its default and gives it back."""
    found, kinds = configs(), set()
    assert len(found) == 43
    for name, config in found:
        required = {n for n, f in config.model_fields.items() if f.is_required()}
        fields = [*fields_of(config, {}, "", lambda: None)]
        assert {f.path.partition(".")[0] for f in fields} == {*config.model_fields} - {"kind"}, name
        for field in fields:
            assert field.input.description
            assert field.input.tooltip, f"{name}: {field.path}"
            assert not field.is_changed
            kinds.add(field._kind.name)
            if field.path in required or "." in field.path:
                continue
            default = config.model_fields[field.path].get_default()
            shown = json.loads(json.dumps(default, default=lambda v: v.model_dump(mode="json")))
            assert field.value == shown, f"{name}: {field.path}"
    assert {"checkbox", "dropdown", "text"} <= kinds


NEED_EXTRAS = ("licence_rules", "multilingual_sentiment")
"""Cases of packages that the lane without `adapters` hasn't got."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.adapters) if name in NEED_EXTRAS else name
        for name in HOST.names("case")
    ],
)
def test_every_bundled_case_is_a_form_that_changes_nothing(name: str) -> None:
    form = configure(name, HOST)
    assert form.parameters == {}
    assert form.problems == ()
    assert form.case == resolve_case(HOST, name, {})
    assert len(form.fields) > 50
    assert {kind.name for kind in KINDS} >= {f._kind.name for f in form.fields.values()}


@pytest.fixture
def form() -> CaseForm:
    return configure("medical_coding", HOST)


def test_another_strategy_brings_its_own_fields_and_defaults(form: CaseForm) -> None:
    assert "strategy.r" not in form.fields
    form.set("training.batch_size", "8")
    form.set("strategy", "lora")
    assert form.parameters == {"strategy": "lora", "training.batch_size": 8}
    assert (
        form.fields["strategy.r"].value
        == resolve_case(HOST, "medical_coding", {"strategy": "lora"}).strategy.r
    )  # type: ignore[attr-defined]
    form.set("strategy.r", "4")
    assert form.case is not None
    assert form.case.strategy.r == 4  # type: ignore[attr-defined]
    assert form.case.training.batch_size == 8
    form.set("strategy", "full")
    assert "strategy.r" not in form.fields
    assert form.parameters == {"training.batch_size": 8}


def test_what_is_wrong_is_told_beside_the_field_and_nothing_can_start(form: CaseForm) -> None:
    form.set("training.batch_size", "many")
    assert form.case is None
    assert form._start.disabled
    assert "many" in form.fields["training.batch_size"].complaint
    assert 'role="alert"' in form.fields["training.batch_size"].complaint
    assert [path for path, f in form.fields.items() if f.complaint] == ["training.batch_size"]
    assert form.start() is None
    form.set("training.batch_size", "0")
    assert "1" in form.fields["training.batch_size"].complaint
    form.set("training.batch_size", "16")
    assert form.case is not None
    assert not form._start.disabled
    assert not any(f.complaint for f in form.fields.values())


def test_text_from_outside_stays_text(form: CaseForm) -> None:
    form.set("training.batch_size", "<script>")
    assert "<script>" not in form.fields["training.batch_size"].complaint


def test_a_preset_is_taken_and_told(form: CaseForm) -> None:
    form.set("preset", "smoke")
    assert form.parameters == {"preset": "smoke"}
    assert form.case == resolve_case(HOST, "medical_coding", {"preset": "smoke"})


def test_what_is_copied_makes_the_same_case(form: CaseForm, tmp_path: Path) -> None:
    form.set("preset", "smoke")
    form.set("strategy", "lora")
    form.set("strategy.r", "4")
    form.set("training.learning_rate", 1e-4)
    form.set("seed", "7")
    form._copy_as.value = "YAML"
    (tmp_path / "case.yaml").write_text(form._copied.value)
    assert CaseSchema(HOST).validate(read_case_file(tmp_path / "case.yaml").case) == form.case
    form._copy_as.value = "command"
    tunebook, run, name, *rest = shlex.split(form._copied.value)
    assert (tunebook, run, name, rest[::2]) == ("tunebook", "run", "medical_coding", ["-p"] * 5)
    assert resolve_case(HOST, name, parse_parameters(rest[1::2])) == form.case
    form._copy_as.value = "cell"
    assigned = {
        node.targets[0].id: ast.literal_eval(node.value)  # type: ignore[attr-defined]
        for node in ast.parse(form._copied.value).body
        if isinstance(node, ast.Assign)
    }
    assert tb.load_case("medical_coding", HOST, **assigned) == form.case
    assert yaml.safe_load(form._copied.value.splitlines()[0].partition("= ")[2]) == "smoke"


def test_time_and_memory_are_those_of_earlier_runs(
    form: CaseForm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunebook.records import RunDirectory, RunRecord

    monkeypatch.setenv("TUNEBOOK_RUNS_DIR", str(tmp_path))
    assert form.estimate() == "time: nothing measured yet"
    for seconds in (100.0, 200.0, 900.0):
        run = RunDirectory.create(tmp_path, "medical_coding", "full")
        record = RunRecord(
            run_id=run.run_id, case="medical_coding", strategy="full", seed=0, started=1.0
        )
        run.write_record(
            record.updated(
                status="succeeded", seconds={"total": seconds}, peak_memory_mb=seconds * 10
            )
        )
    told = form.estimate()
    assert told.startswith("time: about 3 min 20 s (1 min 40 s to 15 min 00 s), up to 9,000 MB")
    assert "from 3 runs of the same case and strategy, off by" in told


def test_a_form_starts_its_run(tiny_bert: Path, tmp_path: Path) -> None:
    content = tiny.case_content(tiny_bert, name="formed")
    content["evaluation"] = {"bootstrap": {"resamples": 100}, "baselines": []}
    (tmp_path / "formed.json").write_text(json.dumps(content))
    form = configure(str(tmp_path / "formed.json"), HOST, runs_dir=tmp_path / "runs")
    form.set("seed", "5")
    form._start.click()
    assert form.live is not None
    run = form.live.wait()
    form.live.panel.close()
    assert run.record.seed == 5
    assert form._shown.children == (form.live.panel.widget,)
    form._check()
    assert "from 1 run of the same settings" in form.estimate()


def test_a_case_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"case\.unknown"):
        configure("medical_codin", HOST)


def test_sliders_are_for_what_declares_a_range() -> None:
    from tunebook.sections import TrainingConfig

    rate = Field("learning_rate", TrainingConfig.model_fields["learning_rate"], 5e-5, lambda: None)
    assert rate._kind.name == "log slider"
    rate.input.value = 0.000123456
    assert rate.value == 0.000123
    assert rate.is_changed
