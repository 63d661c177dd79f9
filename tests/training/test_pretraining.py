"""Domain pretraining: it learns from the right texts, is measured honestly, and is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from fresh_process import fresh_logits
from tunebook.data.corpus import load_corpus
from tunebook.data.loading import load_dataset
from tunebook.errors import ConfigError, DataError
from tunebook.events import EventLog
from tunebook.export import load_classifier
from tunebook.host import PluginHost
from tunebook.models.load import load_backbone, load_language_model, load_tokenizer
from tunebook.runner import run_case
from tunebook.runs import Run
from tunebook.schema import CaseSchema
from tunebook.subject import Subject, seed_everything
from tunebook.training.language_inputs import IGNORED
from tunebook.training.language_models import MaskedTokens
from tunebook.training.precision import choose_precision
from tunebook.training.predict import encode_features

HOST = PluginHost()
TEXTS = ["heart valve acute", "skin rash mild", "lung cough"]
SHORT: dict[str, Any] = {"epochs": 12, "learning_rate": 3e-3}


def case(folder: Path, pretraining: Any = SHORT, **changes: Any) -> Any:
    content = tiny.case_content(folder, pretraining=pretraining, **changes)
    content["training"] |= {"epochs": 1, "evaluations": 1}
    return CaseSchema(HOST).validate(content)


def run(folder: Path, runs: Path, pretraining: Any = SHORT, **changes: Any) -> Run:
    return run_case(case(folder, pretraining, **changes), HOST, runs_dir=runs, listeners=[])


def subject_of(folder: Path, **changes: Any) -> Subject:
    chosen = case(folder, **changes)
    seed_everything(0)
    return Subject.build(chosen, HOST, load_dataset(chosen, HOST), choose_precision("fp32"))


def save_t5_with_sentinels(folder: Path) -> Path:
    """Writes a tiny T5 whose tokenizer has tokens that stand for spans."""
    from transformers import AutoModelForSeq2SeqLM

    tiny.save_tiny_t5(folder)
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"<extra_id_{n}>" for n in range(6)], special_tokens=True)
    tokenizer.save_pretrained(str(folder))
    model = AutoModelForSeq2SeqLM.from_pretrained(str(folder))
    with torch.random.fork_rng(devices=[]):
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize(
    ("save", "objective"),
    [(tiny.save_tiny_bert, "mlm"), (tiny.save_tiny_gpt2, "clm")],
)
def test_perplexity_of_held_out_texts_falls(save: Any, objective: str, tmp_path: Path) -> None:
    subject = subject_of(save(tmp_path / "model"))
    log = EventLog(None)
    about = subject.pretrain(tmp_path, log)
    assert about["objective"] == objective
    assert about["measure"] == "perplexity"
    assert about["before"] > 30  # untrained, over 42 words
    assert about["after"] < 0.8 * about["before"]
    assert about["texts"] == len(subject.dataset.texts("train"))
    assert about["measured_texts"] == len(subject.dataset.texts("validation"))
    notes = [event.text for event in log.events if event.type == "note"]
    assert any(f"{about['before']:.4g} before, {about['after']:.4g} after" in n for n in notes)


@pytest.mark.slow
def test_a_fresh_head_may_learn_alone_before_anything_is_measured(
    tiny_bert: Path, tmp_path: Path
) -> None:
    short = {"epochs": 1, "learning_rate": 1e-2}
    cold = subject_of(tiny_bert, pretraining=short).pretrain(tmp_path, EventLog(None))
    warm = subject_of(tiny_bert, pretraining=short | {"head_epochs": 6})
    about = warm.pretrain(tmp_path, EventLog(None))
    assert about["fresh_head"]
    assert (cold["head_epochs"], about["head_epochs"]) == (0, 6)
    assert about["before"] < 0.9 * cold["before"]


def test_a_corpus_is_no_larger_than_its_limit(tiny_bert: Path) -> None:
    rows = [{"text": f"the chronic {word}"} for word in tiny.vocabulary()]
    chosen = case(tiny_bert, corpus={"kind": "memory", "rows": rows}, limits={"corpus_rows": 10})
    corpus = load_corpus(chosen, HOST, load_dataset(chosen, HOST))
    assert (len(corpus.train), len(corpus.held_out)) == (9, 1)


def test_the_same_things_are_hidden_before_and_after(tiny_bert: Path, tmp_path: Path) -> None:
    """So that, where nothing is learnt, nothing differs."""
    nothing = {"learning_rate": 1e-30, "max_steps": 1}
    about = subject_of(tiny_bert, pretraining=nothing).pretrain(tmp_path, EventLog(None))
    assert about["after"] == pytest.approx(about["before"], rel=1e-6)


@pytest.mark.parametrize("form", ["linear", "label_words"])
def test_encoder_decoders_learn_from_spans(tmp_path: Path, form: str) -> None:
    subject = subject_of(save_t5_with_sentinels(tmp_path / "model"), head={"form": form})
    about = subject.pretrain(tmp_path, EventLog(None))
    assert about["objective"] == "span_corruption"
    assert about["after"] < 0.8 * about["before"]


@pytest.mark.slow
def test_sentence_pairs_are_told_apart_better(tmp_path: Path) -> None:
    """In these texts a sentence repeats the topic of the one before it."""
    topics = [topic for topic in tiny.TOPICS for _ in range(60)]
    texts = [f"{t} {t} {t} {n}. {t} {t} {t}. {t} {t} {t}" for n, t in enumerate(topics)]
    corpus = {"kind": "memory", "rows": [{"text": text} for text in texts]}
    settings = {"objective": "nsp", "epochs": 30, "learning_rate": 1e-3, "held_out": 0.3}
    folder = tiny.save_tiny_bert(tmp_path / "model")
    subject = subject_of(folder, pretraining=settings, corpus=corpus)
    about = subject.pretrain(tmp_path, EventLog(None))
    assert about["measure"] == "accuracy"
    assert about["before"] < 0.55
    assert about["after"] > 0.65  # a stranger has the same topic one time in three: 0.83 at best


def test_single_sentences_are_refused_for_pairs(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        subject_of(tiny_bert, pretraining={"objective": "nsp"}).pretrain(tmp_path, EventLog(None))
    assert caught.value.problems[0].code == "pretraining.single_sentences"


@pytest.mark.parametrize(
    ("model", "objective", "code", "fix"),
    [
        ("tiny_bert", "clm", "pretraining.objective", "set pretraining.objective=mlm, or auto"),
        ("tiny_gpt2", "mlm", "pretraining.objective", "set pretraining.objective=clm, or auto"),
        ("tiny_t5", "auto", "pretraining.no_sentinels", "choose a model of the T5 family"),
    ],
)
def test_an_objective_that_does_not_suit_the_model_is_refused_before_it_is_loaded(
    model: str,
    objective: str,
    code: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr("tunebook.tasks.build.load_backbone", lambda *at, **_: loaded.append(at))
    folder = request.getfixturevalue(model)
    with pytest.raises(ConfigError) as caught:
        subject_of(folder, pretraining={"objective": objective})
    assert loaded == []
    assert caught.value.problems[0].code == code
    assert caught.value.problems[0].fix.startswith(fix)


def test_the_corpus_never_holds_what_the_case_is_judged_by(tiny_bert: Path) -> None:
    chosen = case(tiny_bert)
    dataset = load_dataset(chosen, HOST)
    corpus = load_corpus(chosen, HOST, dataset)
    assert sorted(corpus.train) == sorted(dataset.texts("train"))
    assert sorted(corpus.held_out) == sorted(dataset.texts("validation"))
    assert not {*corpus.train} & {*dataset.texts("validation"), *dataset.texts("test")}


def test_a_source_that_has_the_judged_texts_too_loses_them(tiny_bert: Path) -> None:
    """All rows of the case, in capitals, beside texts that are only in the corpus."""
    new = [f"the chronic {word}" for word in tiny.TOPICS["heart"]]
    rows = [{"words": text} for text in [*(row["text"].upper() for row in tiny.rows()), *new, None]]
    chosen = case(
        tiny_bert,
        {"text": "words", "held_out": 0.2},
        corpus={"kind": "memory", "rows": rows},
    )
    dataset = load_dataset(chosen, HOST)
    corpus = load_corpus(chosen, HOST, dataset)
    judged = {*dataset.texts("validation"), *dataset.texts("test")}
    texts = [text.lower() for text in (*corpus.train, *corpus.held_out)]
    assert corpus.left_out == len(judged) == 54
    assert sorted(texts) == sorted([*dataset.texts("train"), *new])
    assert len(corpus.held_out) == int(0.2 * len(texts))


def test_a_column_that_the_corpus_lacks_is_told(tiny_bert: Path) -> None:
    chosen = case(tiny_bert, corpus={"kind": "memory", "rows": [{"texts": "heart"}]})
    with pytest.raises(DataError) as caught:
        load_corpus(chosen, HOST, load_dataset(chosen, HOST))
    assert caught.value.problems[0].where == "pretraining.text"
    assert caught.value.problems[0].fix == "did you mean `texts`?"


def test_the_head_that_reads_only_masked_tokens_has_the_whole_head_s_loss(tiny_bert: Path) -> None:
    model, fresh = load_language_model(tiny_bert, load_backbone(tiny_bert), "AutoModelForMaskedLM")
    assert any("transform" in name for name in fresh)
    model.eval()
    ids = torch.tensor([[2, 7, 4, 9, 3], [2, 4, 8, 3, 0]])
    labels = torch.tensor([[IGNORED, 7, 8, IGNORED, IGNORED], [IGNORED, 9, *[IGNORED] * 3]])
    batch = {"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": labels}
    learner = MaskedTokens(model)
    assert torch.allclose(learner(**batch), model(**batch).loss)
    total, guessed = learner.tally(batch)
    assert guessed == 3
    assert total == pytest.approx(3 * float(model(**batch).loss), rel=1e-5)


def test_the_output_layer_is_tied_to_the_adapted_embeddings(tiny_bert: Path) -> None:
    backbone = load_backbone(tiny_bert)
    model, _ = load_language_model(tiny_bert, backbone, "AutoModelForMaskedLM")
    assert model.get_output_embeddings().weight is backbone.get_input_embeddings().weight


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_backbone_is_adapted_in_place_and_keeps_its_shape(
    tiny_bert: Path, tmp_path: Path, method: str
) -> None:
    subject = subject_of(tiny_bert, pretraining=SHORT | {"method": method, "rank": 4})
    before = {n: p.clone() for n, p in subject.model.named_parameters()}
    subject.pretrain(tmp_path, EventLog(None))
    after = dict(subject.model.named_parameters())
    assert [*after] == [*before]
    assert all(parameter.requires_grad for parameter in after.values())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    matrices = [n for n in before if "layer." in n and before[n].ndim == 2]
    assert len(matrices) == 12
    assert changed >= {*matrices}
    assert not any(name.startswith("head.") for name in changed)
    assert any("embeddings" in name for name in changed) == (method == "full")


def test_cached_features_are_those_of_the_adapted_backbone(tiny_bert: Path, tmp_path: Path) -> None:
    subject = subject_of(tiny_bert)
    original = np.array(subject.features("train", subject.model))  # now in the cache
    subject.pretrain(tmp_path, EventLog(None))
    cached = subject.features("train", subject.model)
    tokens = subject.tokens_of("train")
    assert np.array_equal(
        cached, encode_features(subject.model, tokens, 64, choose_precision("fp32"))
    )
    assert not np.allclose(cached, original, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "method"), [("lora", "full"), ("feature_extraction", "lora"), ("full", "full")]
)
def test_a_fresh_process_gives_the_same_logits(
    tiny_bert: Path, tmp_path: Path, strategy: str, method: str
) -> None:
    trained = run(
        tiny_bert,
        tmp_path,
        SHORT | {"method": method},
        strategy=strategy,
        head={"init": "probe"},
    )
    record = trained.record
    assert record.training["pretraining"]["after"] < record.training["pretraining"]["before"]
    assert record.seconds["pretraining"] > 0
    here = trained.classifier.logits(TEXTS).tolist()
    assert fresh_logits(trained.directory.path, TEXTS) == here


@pytest.mark.slow
def test_the_adapted_backbone_is_saved_with_a_strategy_that_trains_little(tmp_path: Path) -> None:
    """Loading must not fall back on the pretrained weights, which may be gone."""
    import shutil

    folder = tiny.save_tiny_bert(tmp_path / "model")
    trained = run(folder, tmp_path / "runs", strategy="lora")
    here = trained.classifier.logits(TEXTS)
    shutil.rmtree(folder)
    assert np.array_equal(load_classifier(trained.directory).logits(TEXTS), here)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_backbone(tiny_bert: Path, tmp_path: Path) -> None:
    first, second, other = (subject_of(tiny_bert, seed=seed) for seed in (0, 0, 1))
    told = [s.pretrain(tmp_path, EventLog(None)) for s in (first, second, other)]
    assert first.adapted == second.adapted != other.adapted
    assert [about["after"] for about in told[:2]] == [told[0]["after"]] * 2


def test_without_the_section_nothing_is_pretrained(tiny_bert: Path, tmp_path: Path) -> None:
    trained = run(tiny_bert, tmp_path, None, strategy="feature_extraction")
    assert "pretraining" not in trained.record.training
    assert "pretraining" not in trained.record.seconds


def test_a_corpus_may_be_named_by_its_plugin_alone() -> None:
    content = tiny.case_content(Path("model"), corpus="icd10cm")
    assert CaseSchema(HOST).validate(content).corpus.kind == "icd10cm"
    with pytest.raises(ConfigError) as caught:
        CaseSchema(HOST).validate(tiny.case_content(Path("model"), corpus="icd10"))
    assert caught.value.problems[0].where == "corpus"
    assert caught.value.problems[0].fix == "did you mean `icd10cm`?"
