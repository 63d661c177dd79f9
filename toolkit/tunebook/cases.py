"""Cases by name or file, and how their layers become one CaseConfig.

Later layers win: the strategy's own training defaults, the case file, the file's section for the
chosen strategy, the preset, the parameters.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tunebook.config import CaseConfig, lay_over
from tunebook.errors import ConfigError, Problem, did_you_mean, shorten
from tunebook.host import PluginHost
from tunebook.schema import PLUGIN_FIELDS, CaseSchema, expand, expand_shorthand

LAYERS = ("strategies", "presets")
"""Keys of a case file that hold, by name, what can be laid over the case."""

NOTEBOOK_FOLDER = "TUNEBOOK_NOTEBOOK_FOLDER"
"""Variable that tells a kernel where the notebook lies that it runs for a command."""


@dataclass(frozen=True)
class CaseFile:
    """A case as written: the case, what changes with a strategy, and named presets."""

    path: Path
    case: Mapping[str, Any]
    strategies: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Any] = field(default_factory=dict)
    notebook: Path | None = None


def load_case(
    name: str,
    host: PluginHost | None = None,
    *,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> CaseConfig:
    """Returns a validated case.

    Args:
        name: Name of a case plugin, or path of a YAML or JSON file.
        host: Plugins to choose from; all installed ones when None.
        preset: Name of a preset in the case file.
        overrides: Values by dotted path, such as ``{"training.epochs": 2}``.
        parameters: Top-level values, such as ``strategy="lora"`` or ``seed=1``.

    Raises:
        ConfigError: With every problem found.
        MachineError: A package that the case needs isn't installed.
    """
    given = {**parameters, **(overrides or {})}
    if preset is not None:
        given["preset"] = preset
    return resolve_case(host or PluginHost(), name, given)


def resolve_case(host: PluginHost, name: str, parameters: Mapping[str, Any]) -> CaseConfig:
    """Returns the case `name` with `parameters`, whose keys may be dotted paths and ``preset``."""
    return CaseResolver(host, name).resolve(parameters)


class CaseResolver:
    """One case, to be resolved with many parameters: its file is read and its schema made once.

    Args:
        host: Plugins to choose from.
        name: Name of a case plugin, or path of a case file.
        schema: The schema of `host`, where there is one already.

    Raises:
        ConfigError: There is no such case, or its file cannot be read.
    """

    def __init__(self, host: PluginHost, name: str, schema: CaseSchema | None = None) -> None:
        self.host = host
        self.file = find_case(host, name)
        self.schema = schema or CaseSchema(host)

    def resolve(self, parameters: Mapping[str, Any]) -> CaseConfig:
        """Returns the case with `parameters`.

        Raises:
            ConfigError: With every problem found.
            MachineError: A package that the case needs isn't installed.
        """
        file, host = self.file, self.host
        parameters = dict(parameters)
        _check_tasks(file, parameters)
        preset = _preset(file, parameters.pop("preset", None))
        changes = _nested(host, parameters)
        kind = _strategy_kind(changes, preset, file.case)
        layers = [
            {"training": _training_defaults(host, kind)},
            file.case,
            _section(file, kind),
            preset,
            changes,
        ]
        content: dict[str, Any] = {}
        for layer in layers:
            content = lay_over(content, expand(host, layer))
        return self.schema.validate(content)


def find_case(host: PluginHost, name: str) -> CaseFile:
    """Returns the case file that `name` means.

    Raises:
        ConfigError: It is neither a case plugin nor a readable file.
    """
    if name in host.names("case"):
        descriptor = host.get("case", name)
        return read_case_file(descriptor.file, descriptor.notebook)
    path = Path(name)
    if path.suffix in (".yaml", ".yml", ".json"):
        return read_case_file(_beside_notebook(path))
    raise ConfigError(
        Problem(
            "case.unknown",
            "case",
            "the name of a case, or a YAML or JSON file",
            f"`{name}`",
            did_you_mean(name, host.names("case")),
        )
    )


def _beside_notebook(path: Path) -> Path:
    """Returns where a file is that a notebook names as if it ran in its own folder.

    In JupyterLab it does; under a command it runs in the folder that the command was typed in.
    """
    beside = Path(os.environ.get(NOTEBOOK_FOLDER, "")) / path
    return beside if beside.exists() and not path.exists() else path


def read_case_file(path: Path, notebook: Path | None = None) -> CaseFile:
    """Reads a case file; paths in it are relative to its folder.

    Raises:
        ConfigError: It is missing, not YAML, or not a mapping, or one of its layers isn't.
    """
    content = _anchor(read_mapping(path, "case"), path.parent.resolve())
    layers = [content.pop(key, None) or {} for key in LAYERS]
    problems = [
        problem
        for key, layer in zip(LAYERS, layers, strict=True)
        for problem in _layer_problems(f"{path}: {key}", layer)
    ]
    if problems:
        raise ConfigError(*problems)
    strategies, presets = ({name: dict(v or {}) for name, v in each.items()} for each in layers)
    named = content.pop("notebook", None)
    if notebook is None and named:
        notebook = path.parent / str(named)
    return CaseFile(path, content, strategies, presets, notebook)


def _layer_problems(where: str, layer: Any) -> Iterator[Problem]:
    if not isinstance(layer, dict):
        fix = "write a name, and below it the keys that change"
        yield Problem("case.layer", where, "names, each with keys", shorten(layer), fix)
        return
    for name, changes in layer.items():
        if not isinstance(name, str):
            fix = "put it in quotes"
            yield Problem("case.layer", where, "a name that is text", shorten(name), fix)
        elif not isinstance(changes, dict | None):
            fix = "write the keys that change below it"
            place = f"{where}.{name}"
            yield Problem("case.layer", place, "keys and values", shorten(changes), fix)


def read_mapping(path: Path, subject: str) -> dict[str, Any]:
    """Returns the keys and values in a YAML or JSON file.

    Args:
        path: The file.
        subject: What it holds, for error codes and words.

    Raises:
        ConfigError: It is missing, not YAML, or not a mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_KeysOnce)
    except (OSError, UnicodeDecodeError) as error:
        names = [str(f) for f in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise ConfigError(
            Problem(
                f"{subject}.unreadable",
                str(path),
                f"a {subject} file",
                str(error),
                did_you_mean(str(path), names),
            )
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a 13th month
        found = " ".join(str(error).split())
        raise ConfigError(
            Problem(f"{subject}.not_yaml", str(path), "YAML", found, "mend that line")
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            Problem(
                f"{subject}.not_a_mapping",
                str(path),
                "keys and values",
                shorten(content),
                "begin with `name: …`",
            )
        )
    return content


def parse_parameters(items: Sequence[str]) -> dict[str, Any]:
    """Returns ``KEY=VALUE`` items as a mapping.

    A value that isn't JSON is text, unless it is a list or a mapping as case files have them, such
    as ``[query, value]``.

    Raises:
        ConfigError: An item has no ``=``, or a key comes twice.
    """
    values: dict[str, Any] = {}
    problems = []
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            problems.append(
                Problem("parameter.form", item, "KEY=VALUE", f"`{item}`", "write such as seed=1")
            )
        elif key in values:
            problems.append(
                Problem("parameter.twice", key, "each key once", f"`{key}` again", "drop one")
            )
        else:
            values[key] = _parse(text)
    if problems:
        raise ConfigError(*problems)
    return values


class _KeysOnce(yaml.SafeLoader):
    """Refuses a key that comes twice, such as the name of a task, where YAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                found = f"the key `{key.value}` again"
                raise yaml.constructor.ConstructorError(None, None, found, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-4, which JSON and Python know as a number, for text
_KeysOnce.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        return text
    except ValueError:
        return _parse_flow(text) if text.startswith(("[", "{")) else text


def _parse_flow(text: str) -> Any:
    """Returns the list or mapping that a text is in YAML, or the text itself."""
    try:
        return yaml.load(text, Loader=_KeysOnce)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _preset(file: CaseFile, name: Any) -> Mapping[str, Any]:
    if name in (None, "", "default"):
        return {}
    if not isinstance(name, str) or name not in file.presets:
        raise ConfigError(
            Problem(
                "case.unknown_preset",
                "preset",
                "a preset of the case",
                shorten(name),
                did_you_mean(str(name), [*file.presets, "default"]),
            )
        )
    preset: Mapping[str, Any] = file.presets[name]
    return preset


def _check_tasks(file: CaseFile, parameters: Mapping[str, Any]) -> None:
    """A parameter of a task that isn't there would make a new one of a misspelt name."""
    names = [*(file.case.get("tasks") or {}), *(parameters.get("tasks") or {})]
    problems = [
        Problem("parameter.task", key, "a task of the case", f"`{task}`", did_you_mean(task, names))
        for key in parameters
        if key.startswith("tasks.") and (task := key.split(".")[1]) not in names
    ]
    if problems:
        raise ConfigError(*problems)


def _nested(host: PluginHost, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters with dotted keys made nested; shorter keys are applied first."""
    content: dict[str, Any] = {}
    for key in sorted(parameters, key=lambda k: k.count(".")):
        *parents, last = key.split(".")
        place = content
        for depth, part in enumerate(parents):
            value = place.get(part, {})
            if depth == 0 and part in PLUGIN_FIELDS:
                value = expand_shorthand(PLUGIN_FIELDS[part][0], value, _names(host, part))
            if not isinstance(value, dict):
                raise ConfigError(
                    Problem(
                        "parameter.path",
                        key,
                        f"`{part}` to hold keys",
                        shorten(value),
                        "give the whole value instead",
                    )
                )
            place[part] = dict(value)
            place = place[part]
        place[last] = parameters[key]
    return content


def _strategy_kind(*layers: Mapping[str, Any]) -> Any:
    for layer in layers:
        value = expand_shorthand("strategy", layer.get("strategy"), ())
        if isinstance(value, Mapping) and "kind" in value:
            return value["kind"]
    return None


def _section(file: CaseFile, kind: Any) -> dict[str, Any]:
    """Returns what the file says for the chosen strategy; its settings are that strategy's."""
    section = dict(file.strategies.get(kind) or {}) if isinstance(kind, str) else {}
    if "strategy" in section:
        section["strategy"] = {"kind": kind, **section["strategy"]}
    return section


def _training_defaults(host: PluginHost, kind: Any) -> dict[str, Any]:
    known = isinstance(kind, str) and kind in host.names("strategy")
    return dict(host.get("strategy", kind).training) if known else {}


def _names(host: PluginHost, field_name: str) -> list[str]:
    return host.names(PLUGIN_FIELDS[field_name][0])


def _anchor(content: Any, folder: Path) -> Any:
    if isinstance(content, dict):
        return {
            key: str(folder / Path(value).expanduser())
            if key == "path" and isinstance(value, str)
            else _anchor(value, folder)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [_anchor(item, folder) for item in content]
    return content
