"""What a case must keep to beyond the types of its fields: what goes with which task and plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from tunebook.config import ALONE, CaseConfig, TaskSection
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.specs import TASKS


def broken_rules(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    """Yields what is wrong with a case, each problem with its place in it.

    Raises:
        ConfigError: What a task says doesn't go with what the case says.
    """
    cases = _cases_by_task(case)
    problems = [
        *_curve_problems(case),
        *_loss_problems(cases),
        *_multitask_problems(host, case),
    ]
    for name, each in cases.items():
        for problem in _in_task(host, each):
            own = name != ALONE and problem.where.split(".")[0] in TaskSection.model_fields
            place = f"tasks.{name}.{problem.where}" if own else problem.where
            problems.append(replace(problem, where=place))
    if case.tasks:
        problems += _minimised_problems(host, cases)
    yield from dict.fromkeys(problems)  # what tasks have in common is told once


def is_minimised(host: PluginHost, case: CaseConfig) -> bool:
    """Whether the score that choices are made on is better the lower it is."""
    return case.evaluation.primary in lower_is_better(host, case)


def lower_is_better(host: PluginHost, case: CaseConfig) -> frozenset[str]:
    """Returns the scores of a case's metrics that are better the lower they are."""
    metrics = [host.get("metric", config.kind) for config in case.metrics]
    return frozenset(name for metric in metrics for name in metric.lower_is_better)


def scores_of(host: PluginHost, case: CaseConfig) -> frozenset[str]:
    """Returns the scores that a case's metrics give."""
    metrics = [host.get("metric", config.kind) for config in case.metrics]
    return frozenset(name for metric in metrics for name in metric.scores_of(case.task.kind))


def _cases_by_task(case: CaseConfig) -> Mapping[str, CaseConfig]:
    try:
        return case.by_task()
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        fix = "write that section of the task whole"
        expected = "tasks that go with what the case says"
        raise ConfigError(Problem("config.tasks", "tasks", expected, found, fix)) from error


def _curve_problems(case: CaseConfig) -> Iterator[Problem]:
    curves = {f"tasks.{name}.": task.evaluation for name, task in case.tasks.items()}
    for place, evaluation in {"": case.evaluation, **curves}.items():
        if case.tasks and evaluation.learning_curve:
            yield Problem(
                "config.learning_curve",
                f"{place}evaluation.learning_curve",
                "nothing with `tasks`: a curve is of one task",
                shorten(evaluation.learning_curve),
                "leave it out, or run that task by itself",
            )


def _minimised_problems(host: PluginHost, cases: Mapping[str, CaseConfig]) -> Iterator[Problem]:
    """Errors in the unit of the data cannot be averaged with scores, not even their negatives."""
    for name, case in cases.items():
        if is_minimised(host, case):
            kind, lower = case.task.kind, lower_is_better(host, case)
            scores = [s for m in case.metrics for s in host.get("metric", m.kind).scores_of(kind)]
            better = [score for score in scores if score not in lower] or [TASKS[kind].primary]
            yield Problem(
                "config.primary",
                f"tasks.{name}.evaluation.primary",
                "a score that is better the higher it is: the best weights are those with the "
                "best mean of all tasks",
                f"`{case.evaluation.primary}`",
                f"use one of {', '.join(better)}, or run that task by itself",
            )


def _loss_problems(cases: Mapping[str, CaseConfig]) -> Iterator[Problem]:
    """Yields settings of the loss that are about classes, where no task has any."""
    kinds = [TASKS[case.task.kind] for case in cases.values()]
    if any(kind.classes for kind in kinds):
        return
    training = next(iter(cases.values())).training
    if training.class_weights != "none":
        yield _no_classes("training.class_weights", kinds[0].name, "leave it out")
    if training.label_smoothing > 0:
        yield _no_classes("training.label_smoothing", kinds[0].name, "leave it out")


def _no_classes(where: str, kind: str, fix: str) -> Problem:
    expected = f"nothing, for {kind} has no classes"
    return Problem("config.no_classes", where, expected, "a value", fix)


def _in_task(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    yield from _metric_problems(host, case)
    yield from _class_problems(case)
    yield from _head_problems(host, case)
    yield from _window_problems(case)
    yield from _strategy_problems(host, case)
    yield from _pretraining_problems(host, case)


def _metric_problems(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    """Yields metrics that don't suit the task, and a primary score that nothing gives."""
    task = case.task.kind
    suitable = [metric.name for metric in host.descriptors("metric") if task in metric.tasks]
    scores = []
    for place, config in enumerate(case.metrics):
        metric = host.get("metric", config.kind)
        if task in metric.tasks:
            scores += metric.scores_of(task)
            continue
        yield Problem(
            "config.metric",
            f"metrics.{place}",
            f"a metric for {task}",
            f"`{config.kind}`, which is for {', '.join(metric.tasks)}",
            f"use one of {', '.join(suitable)}, or leave `metrics` out",
        )
    if case.evaluation.primary not in scores:
        yield Problem(
            "config.primary",
            "evaluation.primary",
            "a score of one of the case's metrics",
            f"`{case.evaluation.primary:.100}`",
            did_you_mean(case.evaluation.primary, scores or [TASKS[task].primary]),
        )


def _class_problems(case: CaseConfig) -> Iterator[Problem]:
    """Yields settings about classes, and about words for them, that the task has no use for."""
    kind = TASKS[case.task.kind]
    words = case.head.form == "label_words" or bool(case.head.label_words)
    if words and "label_words" not in kind.forms:
        yield Problem(
            "head.form",
            "head",
            f"a linear head, the only one for {kind.name}",
            "label words",
            "set head.form=linear and leave head.label_words out",
        )
    if kind.classes:
        return
    if case.train_per_class is not None:
        yield _no_classes("train_per_class", kind.name, "set limits.train_rows instead")
    if case.evaluation.learning_curve:
        yield _no_classes("evaluation.learning_curve", kind.name, "leave it out")


def _head_problems(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    """Yields a head that starts at random and is not trained."""
    tags = host.get("strategy", case.strategy.kind).tags
    ready = tags.fits_head or case.head.init == "probe" or case.head.form == "label_words"
    if not (case.training.epochs or ready):
        yield Problem(
            "config.untrained_head",
            "training.epochs",
            "more than 0, since the head starts at random",
            f"{case.training.epochs:g}",
            "raise it, or set head.init=probe, which fits the head beforehand",
        )


def _window_problems(case: CaseConfig) -> Iterator[Problem]:
    if case.text.stride >= case.text.max_tokens - 2 and case.text.long_texts == "windows":
        yield Problem(
            "config.stride",
            "text.stride",
            f"less than max_tokens - 2 = {case.text.max_tokens - 2}",
            str(case.text.stride),
            "make the windows longer or their overlap smaller",
        )


def _multitask_problems(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    """Yields a strategy for one task where there are several."""
    strategies = host.descriptors("strategy")
    if case.tasks and not host.get("strategy", case.strategy.kind).tags.multitask:
        legal = [each.name for each in strategies if each.tags.multitask]
        yield Problem(
            "config.illegal",
            "strategy",
            "a strategy for several tasks",
            f"`{case.strategy.kind}`, which is for one task",
            f"use one of {', '.join(legal)}, or run each task by itself",
        )


def _strategy_problems(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    strategies = {d.name: d.tags.tasks for d in host.descriptors("strategy")}
    tasks = strategies[case.strategy.kind]
    if case.task.kind not in tasks:
        legal = [name for name, theirs in strategies.items() if case.task.kind in theirs]
        yield Problem(
            "config.illegal",
            "strategy",
            f"a strategy for {case.task.kind}",
            f"`{case.strategy.kind}`, which is for {', '.join(tasks)}",
            f"use one of {', '.join(legal)}",
        )


def _pretraining_problems(host: PluginHost, case: CaseConfig) -> Iterator[Problem]:
    """What is learnt from texts must have a place in the strategy, and the other way round."""
    strategy, method = case.strategy, case.pretraining and case.pretraining.method
    allowed = host.get("strategy", strategy.kind).tags.pretraining
    untrained = strategy.language_adapters
    if method is not None and method not in allowed:
        strategies = host.descriptors("strategy")
        fitting = [each.name for each in strategies if method in each.tags.pretraining]
        yield Problem(
            "pretraining.illegal",
            "pretraining.method",
            f"{' or '.join(f'`{name}`' for name in allowed)} before `{strategy.kind}`",
            f"`{method}`, which goes with {', '.join(fitting) or 'no strategy that is here'}",
            f"set pretraining.method={allowed[-1]}, or choose such a strategy",
        )
    elif method == "adapter" and not untrained:
        yield Problem(
            "pretraining.no_adapter",
            "strategy.adapters",
            "an adapter without `run`, which pretraining is to train",
            "none",
            "add `adapters: {language: {}}` and `composition: {stack: [language, task]}`",
        )
    elif untrained and method != "adapter":
        yield Problem(
            "pretraining.missing",
            f"strategy.adapters.{untrained[0]}",
            "the `run` that trained it, or pretraining with `method: adapter`, which trains it",
            "neither",
            "set pretraining.method=adapter, or name a run",
        )
