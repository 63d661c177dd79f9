"""The case's schema, closed over the plugins of a host: validation and JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import GenericAlias
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, create_model

from tunebook.config import CaseConfig, TaskConfig, TaskSection
from tunebook.errors import ConfigError, Problem, TunebookError, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.rules import broken_rules
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
        content = _with_data(self._with_task_defaults(expand(self.host, content)))
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
            raise ConfigError(*problems_of(self.model, error, content)) from error
        problems = [*broken_rules(self.host, case)]
        if problems:
            raise ConfigError(*problems)
        for kind, config in plugin_configs(case):
            self.host.require(kind, self.host.get(kind, config.kind))
        return case

    def json_schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of a case."""
        return self.model.model_json_schema()

    def _with_task_defaults(
        self, content: dict[str, Any], usual: str = TaskConfig().kind
    ) -> dict[str, Any]:
        """Returns `content` with the metrics and the primary score that suit the kind of task.

        One of several tasks takes them from the case, unless it is of another kind.
        """
        task, tasks = content.get("task"), content.get("tasks")
        given = (task.get("kind") if isinstance(task, Mapping) else None) or usual
        if isinstance(tasks, Mapping):
            made = {name: self._task_defaults(section, given) for name, section in tasks.items()}
            content = {**content, "tasks": made}
        kind = TASKS.get(given) if isinstance(given, str) else None
        evaluation = content.get("evaluation", {})
        if kind is None or not isinstance(evaluation, Mapping):
            return content  # which is a problem of its own
        names = self.host.names("metric")
        metrics = [{"kind": name} for name in kind.metrics if name in names]
        evaluation = {"primary": kind.primary, **evaluation}
        return {"metrics": metrics, **content, "evaluation": evaluation}

    def _task_defaults(self, section: Any, usual: str) -> Any:
        task = section.get("task") if isinstance(section, Mapping) else None
        other = isinstance(task, Mapping) and task.get("kind", usual) != usual
        return self._with_task_defaults(dict(section)) if other else section


def problems_of(
    model: type[BaseModel],
    error: ValidationError,
    content: Mapping[str, Any],
    subject: str = "case",
    more_keys: Sequence[str] = ("preset",),
) -> list[Problem]:
    """Returns what pydantic found wrong, in words that say what to do.

    Args:
        model: What `content` was validated against.
        error: What pydantic found.
        content: What a user wrote.
        subject: What that is.
        more_keys: Keys that are right at its top, though `model` has no field of that name.
    """
    return _each_once(
        problem
        for each in error.errors()
        for problem in _problems(Fault(model, each, content, subject, more_keys))
    )


def _each_once(problems: Iterable[Problem]) -> list[Problem]:
    """Returns one problem for each value: where several types would do, each has a complaint."""
    by_value: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        by_value.setdefault((problem.where, problem.found), []).append(problem)
    return [
        replace(found[-1], expected="; or: ".join(dict.fromkeys(each.expected for each in found)))
        for found in by_value.values()
    ]


@dataclass(frozen=True)
class Fault:
    """One of pydantic's errors, and where in what was validated it is."""

    model: type[BaseModel]
    error: Any
    content: Mapping[str, Any]
    subject: str
    more_keys: Sequence[str]

    @cached_property
    def path(self) -> list[Any]:
        return _path(self.error["loc"], self.content)

    @property
    def where(self) -> str:
        return ".".join(str(part) for part in self.path) or self.subject

    @property
    def found(self) -> str:
        return shorten(self.error["input"])


def case_model(host: PluginHost) -> type[CaseConfig]:
    """Returns CaseConfig with its plugin fields closed to what `host` has."""
    section = create_model("TaskSection", __base__=TaskSection, **_closed(host, TaskSection))
    fields = _closed(host, CaseConfig)
    tasks = CaseConfig.model_fields["tasks"]
    name, _ = get_args(tasks.annotation)
    fields["tasks"] = (GenericAlias(dict, (name, section)), tasks)
    return create_model("CaseConfig", __base__=CaseConfig, **fields)


def _closed(host: PluginHost, model: type[BaseModel]) -> dict[str, Any]:
    """Returns the plugin fields of `model`, each a union of the configs that `host` has."""
    fields: dict[str, Any] = {}
    for name, (kind, is_list) in PLUGIN_FIELDS.items():
        if not host.names(kind) or name not in model.model_fields:
            continue
        annotation: Any = union_of(host, kind)
        base = model.model_fields[name]
        if is_list:
            annotation = tuple[annotation, ...]
        if base.default is None:
            annotation = annotation | None
        fields[name] = (
            annotation,
            Field(default=base.default, description=base.description),
        )
    return fields


def union_of(host: PluginHost, kind: str) -> Any:
    """Returns the annotation of a config of any plugin of `kind`; there must be one."""
    configs = [descriptor.config for descriptor in host.descriptors(kind)]
    annotation: Any = Union[tuple(configs)]  # noqa: UP007 - made at run time
    return Annotated[annotation, Field(discriminator="kind")] if len(configs) > 1 else annotation


def plugin_configs(case: CaseConfig) -> list[tuple[str, Any]]:
    """Returns (kind, config) of every plugin that a case uses, each once."""
    found: list[tuple[str, Any]] = []
    for each in case.by_task().values():
        for name, (kind, is_list) in PLUGIN_FIELDS.items():
            value = getattr(each, name)
            items = value if is_list else (value,)
            used = [(kind, item) for item in items if item is not None]
            found += [pair for pair in used if pair not in found]
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
    tasks = expanded.get("tasks")
    if isinstance(tasks, Mapping):
        expanded["tasks"] = {
            name: expand(host, task) if isinstance(task, Mapping) else task
            for name, task in tasks.items()
        }
    return expanded


def _with_data(content: dict[str, Any]) -> dict[str, Any]:
    """Returns `content` with the data of its first task where all tasks have data of their own.

    Raises:
        ConfigError: There are no data for a task.
    """
    tasks = content.get("tasks")
    if "data" in content or not tasks or not isinstance(tasks, Mapping):
        return content
    sections = {name: task for name, task in tasks.items() if isinstance(task, Mapping)}
    lacking = [name for name, task in sections.items() if not task.get("data")]
    if lacking:
        fix = "add it, or `data` to the case, for all tasks that have none"
        expected = "where the records of the task come from"
        places = [f"tasks.{name}.data" for name in lacking]
        raise ConfigError(
            *(Problem("config.missing_key", p, expected, "nothing", fix) for p in places)
        )
    return {**content, "data": next(iter(sections.values()))["data"]} if sections else content


def _problems(fault: Fault) -> list[Problem]:
    own = fault.error.get("ctx", {}).get("error")
    if isinstance(own, TunebookError):  # a config's own validator says it better
        places = [f"{fault.where}.{problem.where}".rstrip(".") for problem in own.problems]
        return [replace(p, where=w) for p, w in zip(own.problems, places, strict=True)]
    return [_BUILDERS.get(fault.error["type"], _invalid)(fault)]


def _path(location: Sequence[Any], content: Any) -> list[Any]:
    """Returns `location` without the union tags that pydantic puts into it."""
    path: list[Any] = []
    current = content
    for part in location:
        if isinstance(current, Mapping) and part in current:
            current = current[part]
        elif isinstance(current, list | tuple) and isinstance(part, int):
            current = current[part] if part < len(current) else None
        elif not isinstance(current, Mapping) or part == current.get("kind"):
            continue
        else:
            current = None
        path.append(part)
    return path


def _model_at(model: type[BaseModel], path: Sequence[Any], content: Any) -> type[BaseModel] | None:
    """Returns the model class that the mapping at `path` is validated against."""
    current: type[BaseModel] = model
    keyed = False
    for part in path:
        content = content[part] if _has(content, part) else None
        if keyed or isinstance(part, int):
            keyed = False
            continue
        field = current.model_fields.get(part)
        if field is None:
            return None
        models = models_in(field.annotation)
        keyed = get_origin(field.annotation) is dict
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
    choices += fault.more_keys if len(fault.path) == 1 else []
    place = ".".join(str(part) for part in fault.path[:-1])
    key = str(fault.path[-1])
    expected = f"a key of `{place}`" if place else f"a key of the {fault.subject}"
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
        fault.error["msg"].removeprefix("Value error, "),
        fault.found,
        f"mend `{fault.where}`; `tunebook describe {fault.subject}` lists what it takes",
    )


_BUILDERS: Mapping[str, Callable[[Fault], Problem]] = {
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _missing_kind,
    "literal_error": _not_a_choice,
    "missing": _missing,
}
"""By pydantic's error type, what words it becomes; anything else is `_invalid`."""
