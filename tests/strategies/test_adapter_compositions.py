"""Adapters of earlier runs, stacked, fused and averaged; what cannot be so is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_models import TEXTS, Saved, adapter, run, trained
from peft_models import HOST, case_of, prepare, problem_of, vectors
from tunebook.composition import Stack, read
from tunebook.errors import ConfigError
from tunebook.export import load_classifier
from tunebook.testing import fresh

pytestmark = pytest.mark.adapters


@pytest.fixture(scope="module")
def earlier(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models, each with an adapter of its own."""
    root = tmp_path_factory.mktemp("earlier")
    wanted = {
        "language": {"method": "seq_bn_inv", "name": "language"},
        "one": {"name": "task"},
        "two": {"name": "task", "non_linearity": "gelu"},
    }
    return {name: trained(models["bert"], root / name, **how)[0] for name, how in wanted.items()}


def of(earlier: dict[str, Path], **names: str) -> dict[str, Any]:
    """Returns the section that takes adapters of earlier runs, by their names here."""
    return {here: {"run": str(earlier[there])} for here, there in names.items()}


COMPOSED = {
    "stack(language, task)": "adapters.task.",
    "stack(language, one)": "adapters.one.",
    "fuse(one, two)": "adapter_fusion_layer.one,two.",
    "stack(language, fuse(one, two))": "adapter_fusion_layer.one,two.",
    "average(one, task, weights=[1, 3])": "adapters.task.",
}
"""By composition, what learns."""


@pytest.fixture(scope="module")
def composed(
    models: dict[str, Path], earlier: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Saved]:
    """Saved models with compositions, from earlier ones that are no longer there."""
    root = tmp_path_factory.mktemp("composed")
    for name, place in earlier.items():
        shutil.copytree(place, root / name)
    saved = {}
    for text in COMPOSED:
        names = {name: {"run": str(root / name)} for name in read(text).adapters if name != "task"}
        saved[text] = trained(models["bert"], root / text, adapters=names, composition=text)
    for name in earlier:
        shutil.rmtree(root / name)
    return saved


@pytest.mark.parametrize(
    ("composition", "trained", "words"),
    [
        ("parallel(one, task)", ["one"], "composition.one_task"),
        ("stack(one, batch_split(two, task, sizes=4))", ["one", "two"], "composition.one_task"),
        ("multi_task(one, task)", ["one"], "composition.one_task"),
        ("fuse(parallel(one, two), task)", ["one", "two"], "composition.nesting"),
        ("stack(oen, task)", ["one"], "did you mean `one`?"),
        ("stak(one, task)", ["one"], "did you mean `stack`?"),
        ("stack(task, one)", ["one"], "composition.not_trained"),
        ("fuse(one, task)", ["one"], "composition.fuse_untrained"),
        ("stack(one, fuse(two, three), task)", ["one", "two", "three"], "composition.not_trained"),
        ("stack(fuse(one, two), task)", ["one", "two"], "leave `task` out and train the fusion"),
        ("stack(one, task)", ["one", "two"], "composition.unused_adapter"),
        ("stack(one, task)", ["one", "task"], "composition.name_taken"),
        (None, ["one"], "composition.unused_adapter"),
    ],
)
def test_an_illegal_composition_is_refused_before_a_model_is_loaded(
    composition: str | None, trained: list[str], words: str
) -> None:
    adapters = {name: {"run": "nowhere"} for name in trained}
    with pytest.raises(ConfigError) as caught:
        case_of(Path("no_such_model"), adapter(adapters=adapters, composition=composition))
    assert words in str(caught.value)


def test_a_config_keeps_its_composition() -> None:
    strategy = adapter(adapters={"language": {"run": "x"}}, composition="stack(language, task)")
    case = case_of(Path("bert"), strategy)
    saved = case.to_json_dict()
    assert saved["strategy"]["composition"] == {"stack": ["language", "task"]}
    again = case.updated(seed=0)
    assert again == case
    assert again.strategy.composition == Stack("language", "task")


@pytest.mark.parametrize("composition", COMPOSED)
def test_a_composition_trains_its_last_part_alone(
    composed: dict[str, Saved], earlier: dict[str, Path], composition: str
) -> None:
    backbone = load_classifier(composed[composition][0], HOST).model.backbone
    parameters = dict(backbone.named_parameters())
    learning = {name for name, p in parameters.items() if p.requires_grad}
    assert learning
    assert learning == {name for name in parameters if COMPOSED[composition] in name}
    frozen = [n for n in read(composition).adapters if f"adapters.{n}." != COMPOSED[composition]]
    for name in [name for name in frozen if name != "task"]:
        before = load_file(str(earlier[name] / "native" / "adapter.safetensors"))
        own = "language" if name == "language" else "task"
        for key, value in before.items():
            assert torch.equal(parameters[key.replace(f".{own}.", f".{name}.")], value)
        assert len(before) >= 4


@pytest.mark.slow
def test_a_fresh_process_needs_no_earlier_run(composed: dict[str, Saved]) -> None:
    assert len(composed) == 5
    assert not [file for place, _ in composed.values() for file in place.rglob("*.bin")]
    folders = [str(place) for place, _ in composed.values()]
    there = fresh.call("logits", {}, folders=folders, texts=TEXTS)
    for (name, (_, logits)), again in zip(composed.items(), there, strict=True):
        assert logits.tolist() == again, name


@pytest.mark.slow
def test_a_case_is_run_with_adapters_of_earlier_runs(
    models: dict[str, Path],
    earlier: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the library's trainer: an adapter, then a fusion with it, found by its run id."""
    monkeypatch.setenv("TUNEBOOK_RUNS_DIR", str(tmp_path))
    first = run(models["bert"], tmp_path, name="mine")
    adapters = {"mine": {"run": first.id}} | of(earlier, two="two")
    second = run(models["bert"], tmp_path, adapters=adapters, composition="fuse(mine, two)")
    before = load_file(str(first.directory.model / "native" / "adapter.safetensors"))
    shutil.rmtree(first.directory.path)
    parameters = dict(second.classifier.model.backbone.named_parameters())
    assert all(torch.equal(parameters[name], value) for name, value in before.items())
    fusion = [name for name in parameters if "adapter_fusion_layer.mine,two." in name]
    assert len(fusion) == 10
    assert second.record.parameters["trainable"] == 99 + sum(
        parameters[name].numel() for name in fusion
    )


def test_an_average_is_a_weighted_mean(models: dict[str, Path], earlier: dict[str, Path]) -> None:
    """Averaged with itself under another name, an adapter is what it was."""
    alone = prepare(
        models["bert"], adapter(adapters=of(earlier, one="one"), composition={"stack": ["one"]})
    )
    twice = prepare(
        models["bert"],
        adapter(
            adapters=of(earlier, a="one", b="one"),
            composition={"average": ["a", "b"], "weights": [1, 4]},
        ),
    )
    rows = [[2, 7, 8, 3], [2, 17, 18, 3]]
    assert torch.allclose(vectors(alone.model, rows), vectors(twice.model, rows), atol=1e-5)


def test_an_average_knows_its_weights(models: dict[str, Path], earlier: dict[str, Path]) -> None:
    """All the weight on one of two different adapters is that adapter alone."""
    rows = [[2, 7, 8, 3], [2, 17, 18, 3]]

    def states(composition: Any, **names: str) -> torch.Tensor:
        strategy = adapter(adapters=of(earlier, **names), composition=composition)
        return vectors(prepare(models["bert"], strategy).model, rows)

    alone = {name: states({"stack": [name]}, **{name: name}) for name in ("one", "two")}
    assert not torch.allclose(alone["one"], alone["two"], atol=1e-4)
    for name, weights in {"one": [1, 0], "two": [0, 1]}.items():
        mixed = {"average": ["one", "two"], "weights": weights}
        assert torch.allclose(states(mixed, one="one", two="two"), alone[name], atol=1e-5)


def test_a_fusion_starts_between_its_adapters_and_stays_near_the_identity(
    models: dict[str, Path], earlier: dict[str, Path]
) -> None:
    strategy = adapter(adapters=of(earlier, a="one", b="one"), composition="fuse(a, b)")
    fused = prepare(models["bert"], strategy)
    alone = prepare(
        models["bert"], adapter(adapters=of(earlier, one="one"), composition={"stack": ["one"]})
    )
    rows = [[2, 7, 8, 3], [2, 17, 18, 3]]
    assert torch.allclose(vectors(alone.model, rows), vectors(fused.model, rows), atol=1e-3)
    assert fused.trainer is not None
    assert fused.trainer.train_adapter_fusion
    assert fused.model.backbone.get_fusion_regularization_loss() is not None


def test_an_exported_adapter_is_read_by_its_own_library(
    models: dict[str, Path], earlier: dict[str, Path]
) -> None:
    import adapters

    from tunebook.models.load import load_backbone

    backbone = load_backbone(models["bert"])
    adapters.init(backbone)
    native = earlier["language"] / "native"
    assert backbone.load_adapter(str(native), use_safetensors=True) == "language"
    learnt = load_file(str(native / "adapter.safetensors"))
    loaded = dict(backbone.named_parameters())
    assert all(torch.equal(loaded[name], value) for name, value in learnt.items())
    strategy = adapter(adapters={"x": {"run": str(native)}}, composition="stack(x, task)")
    assert "x" in prepare(models["bert"], strategy).model.backbone.adapters_config


def test_a_run_that_is_not_there_is_told(models: dict[str, Path]) -> None:
    strategy = adapter(adapters={"one": {"run": "no-such-run"}}, composition="stack(one, task)")
    problem = problem_of(prepare, models["bert"], strategy)
    assert (problem.code, problem.where) == ("run.unknown", "strategy.adapters.one.run")
    assert problem.found.startswith("0 that begin with `no-such-run` in ")


@pytest.mark.parametrize(
    ("family", "words"),
    [("gpt2", "architecture bert, not gpt2"), ("wide", "hidden size 32, not 64")],
)
def test_an_adapter_of_another_backbone_is_refused(
    models: dict[str, Path], earlier: dict[str, Path], tmp_path: Path, family: str, words: str
) -> None:
    folder = save_wide_bert(tmp_path / "wide") if family == "wide" else models[family]
    strategy = adapter(adapters=of(earlier, one="one"), composition="stack(one, task)")
    problem = problem_of(prepare, folder, strategy)
    assert (problem.code, problem.where) == ("adapter.other_backbone", "strategy.adapters.one")
    assert words in problem.found


def save_wide_bert(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    import tiny

    size = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tiny.vocabulary()), num_hidden_layers=2, **size)
    BertModel(config).save_pretrained(str(folder))
    tiny.save_tokenizer(folder)
    return folder


def test_an_adapter_of_other_weights_is_refused(earlier: dict[str, Path], tmp_path: Path) -> None:
    import tiny

    other = tiny.save_tiny_bert(tmp_path / "other", seed=7)
    with pytest.raises(ConfigError) as caught:
        run(other, tmp_path, adapters=of(earlier, one="one"), composition="stack(one, task)")
    (problem,) = caught.value.problems
    assert problem.code == "adapter.other_backbone"
    assert problem.found.startswith("one for weights ")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_adapter_of_weights_that_its_run_had_moved_is_refused(
    models: dict[str, Path], earlier: dict[str, Path], tmp_path: Path, method: str
) -> None:
    """The pretrained file is the same, but the adapter stood in a model that had read on."""
    folder = Path(shutil.copytree(earlier["one"], tmp_path / "moved"))
    about = json.loads((folder / "tunebook.json").read_text())
    about["case"]["pretraining"] = {"method": method}
    (folder / "tunebook.json").write_text(json.dumps(about))
    strategy = adapter(adapters={"one": {"run": str(folder)}}, composition="stack(one, task)")
    problem = problem_of(prepare, models["bert"], strategy)
    assert problem.code == "adapter.other_backbone"
    assert problem.found == "one for weights that its run had pretrained further"


@pytest.mark.parametrize("method", ["double_seq_bn", "lora", "prefix_tuning"])
def test_adapters_of_two_kinds_are_not_fused(
    models: dict[str, Path], earlier: dict[str, Path], tmp_path: Path, method: str
) -> None:
    other, _ = trained(models["bert"], tmp_path / "other", **adapter(method))
    adapters = of(earlier, one="one") | {"other": {"run": str(other)}}
    strategy = adapter(adapters=adapters, composition="fuse(one, other)")
    problem = problem_of(prepare, models["bert"], strategy)
    assert (problem.code, problem.where) == ("composition.kind", "strategy.composition")
    assert "`one` is a sequential bottleneck at the feed-forward layer" in problem.found


@pytest.mark.parametrize(
    ("method", "composition"),
    [("lora", "fuse(a, b)"), ("par_bn", "fuse(a, b)"), ("prefix_tuning", "average(a, b)")],
)
def test_what_the_library_cannot_mix_is_refused(
    models: dict[str, Path], tmp_path: Path, method: str, composition: str
) -> None:
    other, _ = trained(models["bert"], tmp_path / "other", **adapter(method))
    adapters = {name: {"run": str(other)} for name in "ab"}
    strategy = adapter(adapters=adapters, composition=composition)
    assert problem_of(prepare, models["bert"], strategy).code == "composition.kind"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("no weights", "adapter.missing"),
        ("no adapter", "adapter.missing"),
        ("half a file", "adapter.damaged"),
        ("not JSON", "adapter.damaged"),
    ],
)
def test_a_damaged_adapter_is_told(
    models: dict[str, Path], earlier: dict[str, Path], tmp_path: Path, damage: str, code: str
) -> None:
    place = tmp_path / "model"
    shutil.copytree(earlier["one"], place)
    native = place / "native"
    weights = native / "adapter.safetensors"
    {
        "no weights": weights.unlink,
        "no adapter": lambda: shutil.rmtree(native),
        "half a file": lambda: weights.write_bytes(weights.read_bytes()[:200]),
        "not JSON": lambda: (native / "adapter_config.json").write_text("{"),
    }[damage]()
    strategy = adapter(adapters={"one": {"run": str(place)}}, composition="stack(one, task)")
    assert problem_of(prepare, models["bert"], strategy).code == code


def test_a_saved_composition_that_lost_a_part_is_told(
    composed: dict[str, Saved], tmp_path: Path
) -> None:
    place = tmp_path / "model"
    shutil.copytree(composed["stack(language, task)"][0], place)
    shutil.rmtree(place / "native" / "language")
    assert problem_of(load_classifier, place, HOST).code == "adapter.damaged"
