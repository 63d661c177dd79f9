"""The reference holds everything there is, each thing exactly as it is."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pluggy
import pytest
from click.testing import CliRunner

from documented import ROOT
from pagemaker.commands import every_command
from pagemaker.markdown import section
from pagemaker.places import bundled
from pagemaker.plugins import TITLES
from pagemaker.site import pages
from tunebook.cli.application import COMMANDS, application
from tunebook.config import CaseConfig
from tunebook.controls import CONTROLS
from tunebook.errors import ExitCode
from tunebook.events import EVENT_TYPES
from tunebook.specs import KINDS, OBSERVERS, PROJECT, BuiltDescriptor, TunebookSpecs
from tunebook.testing import CHECKS


def page(name: str) -> str:
    return pages()[f"reference/{name}"].text


def test_every_hook_is_there_with_its_exact_signature() -> None:
    hooks = [name for name in vars(TunebookSpecs) if name.startswith(f"{PROJECT}_")]
    assert len(hooks) == sum(bool(hook) for hook, _ in KINDS.values()) + len(OBSERVERS) >= 13
    text = page("hooks.md")
    for name in hooks:
        own = inspect.signature(getattr(TunebookSpecs(), name))
        listed = [f"{p.name}: {p.annotation}" for p in own.parameters.values()]
        line = f"{name}({', '.join(listed)}) -> {own.return_annotation}"
        assert f"```python\n{line}\n```" in text
        assert len(section(text, f"`{name}`")) > len(line) + 40  # and a sentence about it


def test_arguments_of_hooks_are_those_that_pluggy_passes() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TunebookSpecs)
    text = page("hooks.md")
    for name in OBSERVERS:
        spec = getattr(manager.hook, name).spec
        signature = re.search(rf"^{name}\((.*)\)", text, re.MULTILINE)
        assert signature is not None
        assert re.findall(r"(\w+):", signature[1]) == list(spec.argnames)


def fields_in(schema: dict[str, Any]) -> set[str]:
    """Returns the names of all fields in a JSON Schema, those of its sections included."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


def built() -> list[tuple[str, str]]:
    host = bundled()
    return [
        (kind, name)
        for kind in KINDS
        for name in host.names(kind)
        if isinstance(host.get(kind, name), BuiltDescriptor)
    ]


def test_every_plugin_and_every_field_of_its_config_is_there() -> None:
    assert len(built()) >= 37
    count = 0
    for kind, name in built():
        text = section(page(TITLES[kind][0]), f"`{name}`")
        descriptor = bundled().get(kind, name)
        assert descriptor.summary in text
        fields = fields_in(descriptor.config.model_json_schema()) - {"kind"}
        rows = set(re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE))
        told = {part for row in rows for part in row.split(".")}
        assert fields - blocks(descriptor.config) <= told, f"{kind} {name}"
        for field, info in descriptor.config.model_fields.items():
            if field != "kind" and field in rows:
                assert flat(info.description)[:60] in flat(text)
        count += len(fields)
    assert count >= 110


def blocks(config: Any) -> set[str]:
    """Returns what a schema says of compositions, which have a page of their own."""
    schema = config.model_json_schema()
    named = {k: v for k, v in schema.get("$defs", {}).items() if "Adapter" not in k}
    return {name for part in named.values() for name in part.get("properties", {})}


def flat(text: str | None) -> str:
    return re.sub(r"\[(arXiv:[\d.]+)\]\([^)]*\)", r"\1", " ".join((text or "").split()))


def test_every_kind_of_plugin_has_a_page_and_every_plugin_is_on_it() -> None:
    assert {*TITLES} == {*KINDS} - {"observer"}  # which have nothing to be set
    listed = 0
    for kind, (name, *_) in TITLES.items():
        for plugin in bundled().names(kind):
            assert f"## `{plugin}`" in page(name)
            listed += 1
    assert listed >= 43


def test_every_key_of_a_case_is_there() -> None:
    fields = fields_in(CaseConfig.model_json_schema()) - {"kind"}
    rows = re.findall(r"^\| (?:`|<code>)([\w.]+)", page("case.md"), re.MULTILINE)
    told = {part for row in rows for part in row.split(".")}
    split = {"column", "group", "balance", "fractions", "train", "test", "validation"}
    assert len(fields) >= 80
    assert fields - split <= told


def test_every_command_is_there_with_every_option_that_its_help_shows() -> None:
    text = page("commands.md")
    contexts = [*every_command()]
    assert {context.command_path.split()[1] for context in contexts} == {*COMMANDS}
    options = 0
    for context in contexts:
        own = section(text, f"`{context.command_path}`") + section(text, "Options of every command")
        result = CliRunner().invoke(application, [*context.command_path.split()[1:], "--help"])
        shown = re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", result.stdout)
        assert [option for option in shown if option not in own] == []
        options += len({*shown})
    assert options >= 150


def test_every_control_event_exit_code_and_check_is_there() -> None:
    told = page("controls-and-events.md")
    assert [name for name in CONTROLS if f"\n## `{name}`\n" not in told] == []
    assert [name for name in EVENT_TYPES if f"\n### `{name}`\n" not in told] == []
    codes = page("errors.md")
    assert [each for each in ExitCode if f"| `{int(each)}` | `{each.name}` |" not in codes] == []
    checks = page("checks.md")
    assert len(CHECKS) >= 60
    assert [each.id for each in CHECKS.values() if f"`{each.id}`" not in checks] == []


def test_every_variable_that_the_code_reads_is_there() -> None:
    sources = [*ROOT.glob("toolkit/**/*.py"), *ROOT.glob("plugins/**/*.py")]
    sources = [source for source in sources if source.parent.name != "testing"]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    read = set(re.findall(r"\bTUNEBOOK_[A-Z]+(?:_[A-Z]+)*\b(?!_)", text))
    assert len(read) >= 14
    assert sorted(name for name in read if f"`{name}`" not in page("environment.md")) == []


@pytest.mark.parametrize("kind", sorted(TITLES))
def test_no_generated_cell_is_empty_or_broken(kind: str) -> None:
    """A row that isn't as wide as its header means a bar that wasn't escaped."""
    rows = re.findall(r"^\|.*\|$", page(TITLES[kind][0]), re.MULTILINE)
    assert rows
    for row in rows:
        assert row.count(" | ") in (1, 2, 3)
