"""From a case to a data set: load, check, clean, split, draw, augment."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from tunebook.config import CaseConfig, GivenSplit, GroupedSplit
from tunebook.contracts import SourceData
from tunebook.data import sampling, splits
from tunebook.data.augmentation import augment
from tunebook.data.cleaning import Cleaning, clean, name_list, text_key
from tunebook.data.dataset import (
    COLUMNS,
    PAIR,
    SPLITS,
    Dataset,
    Finding,
    class_counts,
    fingerprint,
    split_counts,
)
from tunebook.errors import ConfigError, DataError, Problem, did_you_mean, nearest, shorten
from tunebook.forms import UNSCALED, TaskForm, form_of
from tunebook.host import PluginHost

BUDGET, LIMIT_TRAIN, LIMIT_VALIDATION, LIMIT_TEST = 101, 102, 103, 104
"""Second part of the seed of each draw, so that one draw doesn't shift the others."""


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Lets a great many small objects be made at once.

    The collector looks through all of them again and again while they become more, which takes
    longer than making them, and rows of text are in no circles that it could find.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@garbage_collection_paused()
def load_dataset(
    case: CaseConfig, host: PluginHost | None = None, source: SourceData | None = None
) -> Dataset:
    """Returns the data of a case, ready to be tokenised.

    The split depends only on the split's own seed; draws and augmentation depend on the case's.

    Args:
        case: A validated case.
        host: Plugins; all installed ones when None.
        source: The records of the case's data source; they are read when None.

    Raises:
        DataError: The data cannot be used as they are; all problems of a step are collected.
        MachineError: The source needs a package or a network that isn't there.
    """
    host = host or PluginHost()
    source = load_source(case, host) if source is None else source
    cleaning = clean(source.rows, source.card, case)
    form = form_of(case.task)
    _handle_rare_classes(cleaning, case, form)
    rows = _in_columns(cleaning.rows, _split(cleaning, case, form))
    form = replace(form, classes=tuple(sorted(_names(rows, form))))
    _raise(_split_problems(rows, cleaning.place, case, form))
    forbidden = frozenset(rows["text"][rows["split"] != "train"].map(text_key))
    rows = _draw(rows, case, cleaning.findings, form)
    form = replace(form, scale=form.scale_of(_part(rows, "train")["label"].tolist()))
    train, augmentation, found = augment(
        rows[rows["split"] == "train"],
        [(config, host.create("augmenter", config)) for config in case.augmentation],
        seed=case.seed,
        synonyms=source.synonyms,
        forbidden=forbidden,
    )
    rows = pd.concat([train, rows[rows["split"] != "train"]], ignore_index=True)
    findings = (*cleaning.findings, *found)
    return Dataset(
        rows=rows,
        classes=form.classes,
        card=source.card,
        findings=findings,
        grouped=isinstance(case.split, GroupedSplit),
        synonyms=source.synonyms,
        provenance={
            **_provenance(rows, case, source, findings, form),
            "augmentation": augmentation,
        },
        task=case.task,
        scale=form.scale,
        left_out=cleaning.left_out,
    )


@garbage_collection_paused()
def load_source(case: CaseConfig, host: PluginHost) -> SourceData:
    """Returns what the data source of a case gives.

    Raises:
        ConfigError: That isn't what a data source has to give.
        DataError: The data cannot be read.
    """
    source = host.create("datasource", case.data).load()
    if not (isinstance(source, SourceData) and isinstance(source.rows, pd.DataFrame)):
        raise ConfigError(
            Problem(
                "datasource.result",
                f"data (`{case.data.kind}`)",
                "a SourceData with a DataFrame",
                shorten(source),
                "mend the plugin's `load`",
            )
        )
    return source


def _handle_rare_classes(cleaning: Cleaning, case: CaseConfig, form: TaskForm) -> None:
    """Refuses or drops rare classes, then refuses data in which nothing is left to tell apart."""
    least = case.task.min_examples_per_class
    counts = Counter(name for label in cleaning.rows["label"] for name in form.names(label))
    rare = sorted(name for name, count in counts.items() if count < least)
    if rare and case.task.rare_classes == "drop":
        _drop_rare(cleaning, rare, least, form)
    _raise(_class_problems(cleaning, case, rare, counts, form))


def _drop_rare(cleaning: Cleaning, rare: Sequence[str], least: int, form: TaskForm) -> None:
    """Takes rare classes out of labels; rows of which nothing is left go with them."""
    labels = cleaning.rows["label"]
    kept = [form.without(label, {*rare}) for label in labels]
    lost = sum(label is not None and label != old for label, old in zip(kept, labels, strict=True))
    if lost:
        text = f"{lost} rows lost one of {len(rare)} classes with fewer than {least} rows: "
        found = Finding("data.rare_labels", text + name_list(rare), lost, "warning")
        cleaning.findings.append(found)
    cleaning.rows = cleaning.rows.assign(label=pd.Series(kept, dtype=object))
    text = f"rows of {len(rare)} classes with fewer than {least} rows were left out: "
    cleaning.drop(cleaning.rows["label"].isna(), "data.rare_classes", text + name_list(rare))


def _class_problems(
    cleaning: Cleaning,
    case: CaseConfig,
    rare: Sequence[str],
    counts: Counter[str],
    form: TaskForm,
) -> Iterator[Problem]:
    where = f"{cleaning.place}, column `{case.task.label}`"
    if cleaning.rows.empty:
        yield Problem(
            "data.empty",
            cleaning.place,
            "rows that can be used",
            "none: " + ("; ".join(f.text for f in cleaning.findings) or "the source is empty"),
            "fill the gaps, or lower `task.min_examples_per_class`",
        )
        return
    left = {*cleaning.rows["label"]}
    if len(left) < 2:
        dropped = len(counts) - len({name for label in left for name in form.names(label)})
        note = f" ({dropped} more were too rare)" if dropped else ""
        yield Problem(
            "data.one_class",
            where,
            form.variety,
            f"only {name_list([str(form.told(label)) for label in left])}{note}",
            "add rows with another label, or name another column in `task.label`",
        )
    elif rare and case.task.rare_classes == "error":
        yield Problem(
            "data.rare_class",
            where,
            f"at least {case.task.min_examples_per_class} rows in every class",
            f"{len(rare)} with fewer: "
            + ", ".join(f"`{label}` ({counts[label]})" for label in rare[:10])
            + (", …" if len(rare) > 10 else ""),
            "add rows, or set `task.rare_classes` to `drop`",
        )


def _split(cleaning: Cleaning, case: CaseConfig, form: TaskForm) -> np.ndarray:
    """Returns the split of every row."""
    rows, config = cleaning.rows, case.split
    strata = form.strata(rows["label"].tolist())
    if isinstance(config, GivenSplit):
        return _given_split(rows, strata, config)
    if not isinstance(config, GroupedSplit):
        return splits.stratified(strata, config.fractions, config.seed)
    if config.balance == "labels":
        return splits.grouped_balanced(rows["group"], strata, config.fractions, config.seed)
    return splits.grouped(rows["group"], config.fractions, config.seed)


def _given_split(rows: pd.DataFrame, strata: Sequence[str], config: GivenSplit) -> np.ndarray:
    """Returns the split of every row, with a share of train as validation where one is wanted.

    Raises:
        DataError: A share is wanted, and the data have a validation split of their own.
    """
    split = rows["split"].to_numpy(dtype=object)
    if config.validation is None:
        return split
    if (split == "validation").any():
        _raise(iter([_validation_twice(config, int((split == "validation").sum()))]))
    train = split == "train"
    split[train] = splits.held_out(np.array(strata)[train], config.validation, config.seed)
    return split


def _validation_twice(config: GivenSplit, count: int) -> Problem:
    return Problem(
        "data.validation_twice",
        "split.validation",
        f"data without rows of validation in column `{config.column}`",
        f"{count} such rows",
        "leave split.validation out",
    )


def _in_columns(rows: pd.DataFrame, split: np.ndarray) -> pd.DataFrame:
    """Returns the rows in the columns of a data set."""
    group = rows.get("group")
    rows = rows.assign(split=split, group=group, origin="original", source_id=None)
    return rows[[*COLUMNS, *([PAIR] if PAIR in rows else [])]].astype(object)


def _part(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    return rows[rows["split"] == split]


def _names(rows: pd.DataFrame, form: TaskForm) -> set[str]:
    """Returns the classes that the labels of rows are made of."""
    return {name for label in rows["label"] for name in form.names(label)}


def _split_problems(
    rows: pd.DataFrame, place: str, case: CaseConfig, form: TaskForm
) -> Iterator[Problem]:
    """Yields splits without rows, and classes that are scored but cannot be learnt."""
    counts = split_counts(rows)
    empty = [name for name in SPLITS if not counts[name]]
    if empty:
        groups = f" in {rows['group'].nunique()} groups" if rows["group"].notna().any() else ""
        yield Problem(
            "data.empty_split",
            f"split ({case.split.kind}), {place}",
            "rows in train, validation and test",
            f"none in {' and '.join(empty)}; {len(rows)} rows{groups}",
            _EMPTY_SPLIT_FIX[case.split.kind],
        )
        return
    trained, *judged = (_names(_part(rows, name), form) for name in SPLITS)
    for label in sorted({*form.classes} - trained):
        where = [n for n, names in zip(SPLITS[1:], judged, strict=True) if label in names]
        yield Problem(
            "data.unseen_label",
            f"{place}, column `{case.task.label}`, {' and '.join(where)}",
            "only labels that are in train too",
            f"`{label}`",
            _unseen_fix(label, sorted(trained), case),
        )


_EMPTY_SPLIT_FIX = {
    "given": "mark rows of each in the column, set `split.validation` to a share of train, "
    "or use another `split`",
    "stratified": "add rows, or raise the fraction of that split",
    "grouped": "use more groups, raise the fraction of that split, or use `split: stratified`",
}


def _unseen_fix(label: str, trained: Sequence[str], case: CaseConfig) -> str:
    if isinstance(case.split, GroupedSplit) and case.split.balance == "none":
        return "set `split.balance` to `labels`, or `split.seed` to another number"
    if nearest(label, trained):
        return did_you_mean(label, trained)
    return "add training rows of this class, or leave its rows out"


def _draw(
    rows: pd.DataFrame, case: CaseConfig, findings: list[Finding], form: TaskForm
) -> pd.DataFrame:
    """Returns fewer rows: the annotation budget, then the limits."""
    parts = {name: _part(rows, name) for name in SPLITS}
    if case.train_per_class is not None:
        parts["train"] = _within_budget(parts["train"], case, findings, form)
    limits = (
        ("train", case.limits.train_rows, LIMIT_TRAIN),
        ("validation", case.limits.eval_rows, LIMIT_VALIDATION),
        ("test", case.limits.eval_rows, LIMIT_TEST),
    )
    for name, most, stream in limits:
        if most is not None and len(parts[name]) > most:
            rng = np.random.default_rng([case.seed, stream])
            before, part = len(parts[name]), parts[name]
            strata = form.strata(part["label"].tolist())
            parts[name] = part.iloc[sampling.proportional(strata, most, rng)]
            text = f"`limits` keeps {most} of {before} {name} rows: a quick run, not a result"
            findings.append(Finding("data.limited", text, before - most, "warning"))
    lost = {*form.classes} - _names(parts["train"], form)
    if lost:
        text = f"`limits.train_rows` leaves {len(lost)} classes without a training row"
        findings.append(Finding("data.untrained_classes", text, len(lost), "warning"))
    return pd.concat(parts.values(), ignore_index=True)


def _within_budget(
    train: pd.DataFrame, case: CaseConfig, findings: list[Finding], form: TaskForm
) -> pd.DataFrame:
    assert case.train_per_class is not None
    names = [form.names(label) for label in train["label"]]
    counts = Counter(name for some in names for name in some)
    short = sum(counts[name] < case.train_per_class for name in form.classes)
    if short:
        text = f"{short} classes have fewer training rows than the {case.train_per_class} asked for"
        findings.append(Finding("data.short_classes", text, short))
    rng = np.random.default_rng([case.seed, BUDGET])
    return train.iloc[sampling.per_class(names, case.train_per_class, rng)]


def _provenance(
    rows: pd.DataFrame,
    case: CaseConfig,
    source: SourceData,
    findings: Sequence[Finding],
    form: TaskForm,
) -> dict[str, Any]:
    """Returns what the record keeps of the data, in JSON types."""
    return {
        "source": case.data.kind,
        "card": asdict(source.card),
        "fingerprint": fingerprint(rows),
        "loaded": len(source.rows),
        "dropped": {f.code: f.count for f in findings if f.code in _DROPS},
        "splits": split_counts(rows),
        "task": case.task.kind,
        "classes": class_counts(rows, form),
        "scale": form.scale._asdict() if form.scale != UNSCALED else {},
        "groups": {name: int(part["group"].nunique()) for name, part in rows.groupby("split")},
        "findings": [asdict(finding) for finding in findings],
    }


_DROPS = (
    "data.empty_text",
    "data.empty_pair",
    "data.empty_label",
    "data.ambiguous_texts",
    "data.duplicates",
    "data.rare_classes",
)


def _raise(problems: Iterator[Problem]) -> None:
    collected = list(problems)
    if collected:
        raise DataError(*collected)
