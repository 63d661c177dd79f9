"""A language adapter: learnt by guessing words, kept below the task's adapter, used again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tiny
from fresh_process import fresh_logits
from peft_models import problem_of
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError, MachineError
from tunebook.events import EventLog
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.rates import find_learning_rate
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.subject import Subject, seed_everything
from tunebook.training.precision import choose_precision

pytestmark = pytest.mark.adapters

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash mild", "lung cough"]
LEARNT: dict[str, Any] = {"method": "adapter", "epochs": 6, "learning_rate": 1e-2}
STACK = {"stack": ["language", "task"]}
STRATEGY: dict[str, Any] = {"kind": "adapter", "adapters": {"language": {}}, "composition": STACK}


def case(folder: Path, pretraining: Any = LEARNT, strategy: Any = STRATEGY, **changes: Any) -> Any:
    content = tiny.case_content(folder, pretraining=pretraining, strategy=strategy, **changes)
    content["training"] |= {"epochs": 1, "evaluations": 1, "learning_rate": 1e-2}
    return CaseSchema(HOST).validate(content)


def subject_of(folder: Path, **changes: Any) -> Subject:
    chosen = case(folder, **changes)
    seed_everything(0)
    return Subject.build(chosen, HOST, load_dataset(chosen, HOST), choose_precision("fp32"))


def run(folder: Path, runs: Path, *settings: Any, **changes: Any) -> Run:
    return run_case(case(folder, *settings, **changes), HOST, runs_dir=runs, listeners=[])


def copies(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def save_bert_with_head(folder: Path) -> Path:
    """Writes a tiny BERT that comes with its head for guessing words."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    config = AutoConfig.from_pretrained(str(tiny.save_tiny_bert(folder)))
    with torch.random.fork_rng(devices=[]):
        AutoModelForMaskedLM.from_config(config).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose adapter `language` is learnt from texts and `task` from labels."""
    root = tmp_path_factory.mktemp("language")
    return run(tiny.save_tiny_bert(root / "model"), root / "runs", head={"init": "probe"})


@pytest.mark.parametrize("save", [tiny.save_tiny_bert, tiny.save_tiny_gpt2])
@pytest.mark.parametrize("method", ["seq_bn_inv", "double_seq_bn_inv", "par_bn"])
def test_only_the_language_adapter_learns_from_texts(
    save: Any, method: str, tmp_path: Path
) -> None:
    language = {"adapters": {"language": {"method": method}}}
    subject = subject_of(save(tmp_path / "model"), strategy=STRATEGY | language)
    before = copies(subject.model)
    about = subject.pretrain(tmp_path, EventLog(None))
    after = copies(subject.model)
    assert about["method"] == "adapter"
    assert about["after"] < 0.9 * about["before"]
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    added = set(after) - set(before)
    assert {".language." in name for name in added} == {True}
    assert any("invertible" in name for name in added) == method.endswith("_inv")


def test_an_adapter_s_own_width_is_that_of_the_paper(tiny_bert: Path, tmp_path: Path) -> None:
    subject = subject_of(tiny_bert)
    subject.pretrain(tmp_path, EventLog(None))
    (down,) = {tuple(p.shape) for n, p in copies(subject.model).items() if "down.0.weight" in n}
    assert down == (16, 32)


def test_the_invertible_part_is_read_and_undone(tiny_bert: Path, tmp_path: Path) -> None:
    """Without its inverse before the output layer the same adapter guesses worse."""
    subject = subject_of(tiny_bert)
    subject.pretrain(tmp_path, EventLog(None))
    backbone = subject.model.backbone
    part = backbone.get_invertible_adapter()
    states = torch.randn(1, 5, 32)
    assert torch.allclose(part(part(states), rev=True), states, atol=1e-5)
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    with torch.no_grad():
        active = backbone(ids).last_hidden_state
        for parameter in part.parameters():
            parameter.zero_()
        assert (backbone(ids).last_hidden_state - active).abs().max() > 1e-3


def test_the_output_layer_reads_what_the_invertible_part_has_undone(tiny_bert: Path) -> None:
    from tunebook.models.load import load_language_model

    subject = subject_of(tiny_bert)
    strategy = HOST.create("strategy", subject.case.strategy)
    backbone = subject.model.backbone
    model, _ = load_language_model(tiny_bert, backbone, "AutoModelForMaskedLM")
    seen: list[torch.Tensor] = []
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    with strategy.learn_language(subject.model, model, subject.context()), torch.no_grad():
        output = model.get_output_embeddings()
        output.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        model.eval()(ids)
        before = model.cls.predictions.transform(backbone(ids).last_hidden_state)
        undone = backbone.get_invertible_adapter()(before, rev=True)
    assert torch.allclose(seen[0], undone, atol=1e-6)
    assert not torch.allclose(seen[0], before, atol=1e-3)
    with torch.no_grad():
        model(ids)
    assert torch.allclose(seen[1], before, atol=1e-6)


def test_a_head_that_the_model_came_with_stays(tmp_path: Path) -> None:
    """What is measured after is then what the adapter alone has learnt."""
    subject = subject_of(save_bert_with_head(tmp_path / "model"))
    heads: list[dict[str, torch.Tensor]] = []
    strategy = type(HOST.create("strategy", subject.case.strategy))
    original = strategy.learn_language

    def spied(self: Any, model: nn.Module, language_model: nn.Module, context: Any) -> Any:
        heads.extend([copies(language_model), dict(language_model.named_parameters())])
        return original(self, model, language_model, context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategy, "learn_language", spied)
        about = subject.pretrain(tmp_path, EventLog(None))
    before, after = heads
    assert not about["fresh_head"]
    assert about["after"] < 0.95 * about["before"]
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert any("cls.predictions.transform" in name for name in before)


@pytest.mark.slow
def test_a_new_head_learns_first_where_it_is_asked_to(tiny_bert: Path, tmp_path: Path) -> None:
    log = EventLog(None)
    cold = subject_of(tiny_bert).pretrain(tmp_path, EventLog(None))
    subject = subject_of(tiny_bert, pretraining=LEARNT | {"head_epochs": 6})
    before = copies(subject.model)
    warm = subject.pretrain(tmp_path, log)
    assert warm["before"] < 0.9 * cold["before"]
    assert warm["after"] < warm["before"]
    assert (cold["head_epochs"], warm["head_epochs"]) == (0, 6)
    after = copies(subject.model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    notes = [event.text for event in log.events if event.type == "note"]
    assert any("starts fresh on top of the word embeddings and learns alone" in n for n in notes)
    stages = {event.stage for event in log.events if event.type == "stage_step"}
    assert stages == {"pretraining, head", "pretraining"}


def test_the_task_stage_leaves_the_language_adapter_as_it_was(
    tiny_bert: Path, tmp_path: Path
) -> None:
    subject = subject_of(tiny_bert)
    subject.pretrain(tmp_path, EventLog(None))
    before = copies(subject.model)
    prepared = subject.prepare()
    learning = {n for n, p in prepared.model.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learning} == {"backbone", "head"}
    assert all(".task." in name for name in learning if name.startswith("backbone"))
    kept = [name for name in before if not name.startswith("head.")]
    now = dict(prepared.model.named_parameters())
    assert all(torch.equal(before[name], now[name]) for name in kept)
    assert str(prepared.model.backbone.active_adapters) == "Stack[language, task]"


def test_a_run_keeps_both_adapters_and_little_else(finished: Run) -> None:
    model = finished.directory.model
    assert (model / "native" / "adapter_config.json").is_file()
    language = load_file(str(model / "native" / "language" / "adapter.safetensors"))
    loaded = dict(finished.classifier.model.backbone.named_parameters())
    assert len(language) > 10
    assert all(torch.equal(loaded[name], value) for name, value in language.items())
    trained = load_file(str(model / "trained.safetensors"))
    assert not [name for name in trained if ".task." not in name and not name.startswith("head")]
    told = finished.record.training["pretraining"]
    assert told["after"] < told["before"]
    assert told["fresh_head"]


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_logits(finished: Run) -> None:
    here = finished.classifier.logits(TEXTS).tolist()
    assert fresh_logits(finished.directory.path, TEXTS) == here


def test_a_later_run_uses_the_language_adapter_again(finished: Run, tmp_path: Path) -> None:
    """By the run's name, for another task and without pretraining; then the first may go."""
    first = tmp_path / "first"
    shutil.copytree(finished.directory.path, first)
    adapters = {"language": {"run": str(first)}}
    base = Path(finished.case["model"]["path"])
    second = run(base, tmp_path / "runs", None, STRATEGY | {"adapters": adapters})
    before = load_file(str(first / "model" / "native" / "language" / "adapter.safetensors"))
    here = second.classifier.logits(TEXTS)
    shutil.rmtree(first)
    again = load_classifier(second.directory)
    loaded = dict(again.model.backbone.named_parameters())
    assert all(torch.equal(loaded[name], value) for name, value in before.items())
    assert np.array_equal(again.logits(TEXTS), here)
    assert "pretraining" not in second.record.training


@pytest.mark.slow
def test_another_name_takes_what_the_labels_trained(finished: Run, tmp_path: Path) -> None:
    adapters = {"language": {}, "before": {"run": str(finished.directory.path)}}
    composition = {"stack": ["language", "before", "task"]}
    base = Path(finished.case["model"]["path"])
    how = STRATEGY | {"adapters": adapters, "composition": composition}
    second = run(base, tmp_path, LEARNT | {"max_steps": 2}, how)
    task = load_file(str(finished.directory.model / "native" / "adapter.safetensors"))
    loaded = dict(second.classifier.model.backbone.named_parameters())
    assert len(task) >= 4
    assert all(torch.equal(loaded[n.replace(".task.", ".before.")], v) for n, v in task.items())


def test_the_adapter_of_another_backbone_is_refused(finished: Run, tmp_path: Path) -> None:
    other = tiny.save_tiny_bert(tmp_path / "other", seed=7)
    strategy = STRATEGY | {"adapters": {"language": {"run": str(finished.directory.path)}}}
    with pytest.raises(ConfigError) as caught:
        run(other, tmp_path, None, strategy)
    assert caught.value.problems[0].code == "adapter.other_backbone"


@pytest.mark.parametrize(
    ("pretraining", "strategy", "code", "words"),
    [
        (LEARNT, "lora", "pretraining.illegal", "set pretraining.method=lora"),
        (LEARNT, "lora", "pretraining.illegal", "which goes with adapter"),
        (LEARNT, "adapter", "pretraining.no_adapter", "add `adapters: {language: {}}`"),
        (None, STRATEGY, "pretraining.missing", "set pretraining.method=adapter"),
        ({"method": "lora"}, STRATEGY, "pretraining.missing", "or name a run"),
        (LEARNT, STRATEGY | {"name": "language"}, "composition.name_taken", "rename"),
        (LEARNT, STRATEGY | {"composition": "stack(task)"}, "composition.unused_adapter", ""),
        (
            LEARNT,
            {"kind": "adapter", "adapters": {"a": {}, "b": {}}, "composition": "stack(a, b, task)"},
            "composition.several_languages",
            "`a`, `b`",
        ),
        (
            LEARNT,
            STRATEGY | {"adapters": {"language": {"run": "x", "method": "seq_bn"}}},
            "config.invalid",
            "known from the run",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_before_anything_is_loaded(
    pretraining: Any, strategy: Any, code: str, words: str
) -> None:
    problem = problem_of(case, Path("no_such_model"), pretraining, strategy)
    assert problem.code == code
    assert words in str(problem)


def test_most_strategies_have_no_place_for_a_language_adapter() -> None:
    able = [d.name for d in HOST.descriptors("strategy") if "adapter" in d.tags.pretraining]
    assert able == ["adapter"]
    others = [name for name in HOST.names("strategy") if name not in able]
    assert len(others) >= 13
    for name in others:
        assert problem_of(case, Path("no_such_model"), LEARNT, name).code == "pretraining.illegal"


def test_a_missing_library_is_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tunebook.discovery._installed", lambda module: module != "adapters")
    with pytest.raises(MachineError) as caught:
        case(Path("no_such_model"))
    assert caught.value.problems[0].fix == 'pip install "tunebook[adapters]"'


def test_without_its_pretraining_a_model_is_not_prepared(tiny_bert: Path) -> None:
    assert problem_of(subject_of(tiny_bert).prepare).code == "adapter.not_learnt"


def test_the_rate_finder_learns_the_language_first(tiny_bert: Path) -> None:
    found = find_learning_rate(case(tiny_bert, LEARNT | {"max_steps": 2}), HOST, steps=10)
    assert len(found.rates) >= 2
