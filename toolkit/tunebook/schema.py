"""The case's schema, closed over the plugins of a host: validation and JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Union, get_args

from pydantic import BaseModel, Field, ValidationError, create_model

from tunebook.config import CaseConfig, TaskConfig
from tunebook.errors import ConfigError, Problem, TunebookError, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.specs import TASKS

PLUGIN_FIELDS: Mapping[str, tuple[str, bool]] = {
    "data": ("datasource", False),
    "corpus": ("datasource", False),
    "model": ("model", False),
    "strategy": ("strategy", False),
    "augmentation": ("augmenter", True),
    "metrics": ("metric", True),
}
"""By field of CaseConfig, the plugin kind, and whether the field is a list."""


class CaseSchema:
    """The closed CaseConfig of one host."""

    def __init__(self, host: PluginHost) -> None:
        self.host = host
        self.model = case_model(host)

    def validate(self, content: Mapping[str, Any]) -> CaseConfig:
        """Returns the case that `content` describes.

        Raises:
            ConfigError: With every problem there is, each with its path and what to do.
            MachineError: A plugin of the case needs a package that isn't installed.
        """
        content = self._with_task_defaults(expand(self.host, content))
        try:
            text = json.dumps(content)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                Problem(
                    "config.not_json",
                    "case",
                    "JSON types only: text, numbers, true, false, null, lists, mappings",
                    str(error),
                    "write paths, dates and the like as text",
                )
            ) from error
        try:
            case = self.model.model_validate_json(text, strict=True)
        except ValidationError as error:
            problems = [p for each in error.errors() for p in self._problems(each, content)]
            raise ConfigError(*problems) from error
        problems = [*self._beyond_types(case)]
        if problems:
            raise ConfigError(*problems)
        for kind, config in plugin_configs(case):
            self.host.require(kind, self.host.get(kind, config.kind))
        return case

    def json_schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of a case."""
        return self.model.model_json_schema()

    def _with_task_defaults(self, content: dict[str, Any]) -> dict[str, Any]:
        """Returns `content` with the metrics and the primary score that suit the kind of task."""
        task = content.get("task")
        given = task.get("kind") if isinstance(task, Mapping) else None
        kind = TASKS.get(given or TaskConfig().kind)
        evaluation = content.get("evaluation", {})
        if kind is None or not isinstance(evaluation, Mapping):
            return content  # which is a problem of its own
        names = self.host.names("metric")
        metrics = [{"kind": name} for name in kind.metrics if name in names]
        evaluation = {"primary": kind.primary, **evaluation}
        return {"metrics": metrics, **content, "evaluation": evaluation}

    def _beyond_types(self, case: CaseConfig) -> Iterator[Problem]:
        yield from _metric_problems(self.host, case)
        yield from _class_problems(case)
        yield from _head_problems(self.host, case)
        if case.text.stride >= case.text.max_tokens - 2 and case.text.long_texts == "windows":
            yield Problem(
                "config.stride",
                "text.stride",
                f"less than max_tokens - 2 = {case.text.max_tokens - 2}",
                str(case.text.stride),
                "make the windows longer or their overlap smaller",
            )
        strategies = {d.name: d.tags.tasks for d in self.host.descriptors("strategy")}
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
        yield from self._pretraining_problems(case)

    def _pretraining_problems(self, case: CaseConfig) -> Iterator[Problem]:
        """What is learnt from texts must have a place in the strategy, and the other way round."""
        strategy, method = case.strategy, case.pretraining and case.pretraining.method
        allowed = self.host.get("strategy", strategy.kind).tags.pretraining
        untrained = strategy.language_adapters
        if method is not None and method not in allowed:
            strategies = self.host.descriptors("strategy")
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

    def _problems(self, error: Any, content: Mapping[str, Any]) -> list[Problem]:
        path = _path(error["loc"], content)
        fault = Fault(self.model, path, error, content)
        own = error.get("ctx", {}).get("error")
        if isinstance(own, TunebookError):  # a config's own validator says it better
            places = [f"{fault.where}.{problem.where}".rstrip(".") for problem in own.problems]
            return [replace(p, where=w) for p, w in zip(own.problems, places, strict=True)]
        return [_BUILDERS.get(error["type"], _invalid)(fault)]


def is_minimised(host: PluginHost, case: CaseConfig) -> bool:
    """Whether the score that choices are made on is better the lower it is."""
    return case.evaluation.primary in lower_is_better(host, case)


def lower_is_better(host: PluginHost, case: CaseConfig) -> frozenset[str]:
    """Returns the scores of a case's metrics that are better the lower they are."""
    metrics = [host.get("metric", config.kind) for config in case.metrics]
    return frozenset(name for metric in metrics for name in metric.lower_is_better)


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
            did_you_mean(case.evaluation.primary, scores),
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
    settings = {
        "train_per_class": (case.train_per_class is not None, "set limits.train_rows instead"),
        "evaluation.learning_curve": (bool(case.evaluation.learning_curve), "leave it out"),
        "training.class_weights": (case.training.class_weights != "none", "leave it out"),
        "training.label_smoothing": (case.training.label_smoothing > 0, "leave it out"),
    }
    for where, (given, fix) in settings.items():
        if given:
            yield Problem(
                "config.no_classes",
                where,
                f"nothing, for {kind.name} has no classes",
                "a value",
                fix,
            )


@dataclass(frozen=True)
class Fault:
    """One of pydantic's errors, and where in the case it is."""

    model: type[BaseModel]
    path: list[Any]
    error: Any
    content: Mapping[str, Any]

    @property
    def where(self) -> str:
        return ".".join(str(part) for part in self.path) or "case"

    @property
    def found(self) -> str:
        return shorten(self.error["input"])


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


def case_model(host: PluginHost) -> type[CaseConfig]:
    """Returns CaseConfig with its plugin fields closed to what `host` has."""
    fields: dict[str, Any] = {}
    for name, (kind, is_list) in PLUGIN_FIELDS.items():
        configs = [descriptor.config for descriptor in host.descriptors(kind)]
        if not configs:
            continue
        annotation: Any = Union[tuple(configs)]  # noqa: UP007 - made at run time
        if len(configs) > 1:
            annotation = Annotated[annotation, Field(discriminator="kind")]
        base = CaseConfig.model_fields[name]
        if is_list:
            annotation = tuple[annotation, ...]
        if base.default is None:
            annotation = annotation | None
        fields[name] = (
            annotation,
            Field(default=base.default, description=base.description),
        )
    return create_model("CaseConfig", __base__=CaseConfig, **fields)


def plugin_configs(case: CaseConfig) -> list[tuple[str, Any]]:
    """Returns (kind, config) of every plugin that a case uses."""
    found: list[tuple[str, Any]] = []
    for name, (kind, is_list) in PLUGIN_FIELDS.items():
        value = getattr(case, name)
        items = value if is_list else (value,)
        found += [(kind, item) for item in items if item is not None]
    return found


def expand_shorthand(kind: str, value: Any, names: Sequence[str]) -> Any:
    """Returns `value` with a bare name made a mapping: ``lora`` → ``{"kind": "lora"}``.

    A bare model that is no alias is a folder when it looks like a path, else a hub name.
    """
    if not isinstance(value, str):
        return value
    if kind == "model" and value not in names:
        if value.startswith((".", "/", "~")) and "local" in names:
            return {"kind": "local", "path": value}
        if "/" in value and "hub" in names:
            return {"kind": "hub", "name": value}
    return {"kind": value}


def expand(host: PluginHost, content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `content` with bare plugin names made mappings, in lists too."""
    expanded = dict(content)
    for name, (kind, is_list) in PLUGIN_FIELDS.items():
        value, names = expanded.get(name), host.names(kind)
        if is_list and isinstance(value, list | tuple):
            expanded[name] = [expand_shorthand(kind, item, names) for item in value]
        elif name in expanded:
            expanded[name] = expand_shorthand(kind, value, names)
    return expanded


def _path(location: Sequence[Any], content: Any) -> list[Any]:
    """Returns `location` without the union tags that pydantic puts into it."""
    path: list[Any] = []
    current = content
    for part in location:
        if isinstance(current, Mapping) and part in current:
            current = current[part]
        elif isinstance(current, list | tuple) and isinstance(part, int):
            current = current[part] if part < len(current) else None
        elif part in (current, current.get("kind") if isinstance(current, Mapping) else None):
            continue
        else:
            current = None
        path.append(part)
    return path


def _model_at(model: type[BaseModel], path: Sequence[Any], content: Any) -> type[BaseModel] | None:
    """Returns the model class that the mapping at `path` is validated against."""
    current: type[BaseModel] = model
    for part in path:
        content = content[part] if _has(content, part) else None
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        if field is None:
            return None
        models = models_in(field.annotation)
        item = content[0] if isinstance(content, list) and content else content
        kind = item.get("kind") if isinstance(item, Mapping) else item
        chosen = [m for m in models if kind in _kinds_of(m)] or models
        if len(chosen) != 1:
            return None
        current = chosen[0]
    return current


def _has(content: Any, part: Any) -> bool:
    if isinstance(content, Mapping):
        return part in content
    return isinstance(content, list) and isinstance(part, int) and part < len(content)


def _kinds_of(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Returns the model classes inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in models_in(argument)]


def _unknown_key(fault: Fault) -> Problem:
    parent = _model_at(fault.model, fault.path[:-1], fault.content)
    choices = sorted(parent.model_fields) if parent else []
    choices += ["preset"] if len(fault.path) == 1 else []
    place = ".".join(str(part) for part in fault.path[:-1])
    key = str(fault.path[-1])
    expected = f"a key of `{place}`" if place else "a key of the case"
    return Problem(
        "config.unknown_key", fault.where, expected, f"`{key}`", did_you_mean(key, choices)
    )


def _unknown_kind(fault: Fault) -> Problem:
    context = fault.error["ctx"]
    kinds = re.findall(r"'([^']*)'", context.get("expected_tags", ""))
    kind = str(context.get("tag"))
    return Problem(
        "config.unknown_kind",
        fault.where,
        "the name of a plugin",
        f"`{kind:.100}`",
        did_you_mean(kind, kinds),
    )


def _missing_kind(fault: Fault) -> Problem:
    return Problem(
        "config.missing_kind",
        fault.where,
        "a plugin name, or a mapping with `kind`",
        fault.found,
        f"write `{fault.where}: NAME` or `{fault.where}: {{kind: NAME}}`",
    )


def _not_a_choice(fault: Fault) -> Problem:
    expected = fault.error["ctx"]["expected"]
    choices = re.findall(r"'([^']*)'", expected)
    return Problem(
        "config.not_a_choice",
        fault.where,
        expected,
        fault.found,
        did_you_mean(str(fault.error["input"]), choices),
    )


def _missing(fault: Fault) -> Problem:
    return Problem("config.missing_key", fault.where, "a value", "nothing", f"add `{fault.where}`")


def _invalid(fault: Fault) -> Problem:
    return Problem(
        "config.invalid",
        fault.where,
        fault.error["msg"],
        fault.found,
        f"mend `{fault.where}`; `tunebook describe case` lists what it takes",
    )


_BUILDERS: Mapping[str, Callable[[Fault], Problem]] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _missing_kind,
    "literal_error": _not_a_choice,
    "missing": _missing,
}
"""By pydantic's error type, what words it becomes; anything else is `_invalid`."""
