"""What there is to choose from: `plugins`, `schema` and `describe`."""

from __future__ import annotations

import inspect
import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.errors import ConfigError, Problem, did_you_mean

if TYPE_CHECKING:
    from tunebook.plugin_listing import PluginInfo

SCHEMA_KINDS = ("strategy", "model", "datasource", "metric", "augmenter", "executor")
ALONE = ("case", "plan")
"""What there is one of, whatever plugins there are."""


@command("plugins")
@click.pass_obj
def plugins_command(settings: Settings) -> Answer:
    """List the plugins with kind, distribution and version, and why one cannot be used."""
    listing = settings.host().listing()
    text = table(map(_row, listing), ("name", "kind", "distribution", "available", "summary"))
    return Answer(text, {"plugins": [asdict(plugin) for plugin in listing]})


def _row(plugin: PluginInfo) -> tuple[str, ...]:
    distribution = f"{plugin.distribution} {plugin.version}".strip()
    if plugin.available:
        return plugin.name, plugin.kind, distribution, "yes", plugin.summary
    return plugin.name, plugin.kind, distribution, "no", plugin.why_not


@command("schema")
@click.argument("kind", default="case")
@click.argument("name", required=False)
@click.pass_obj
def schema_command(settings: Settings, kind: str, name: str | None) -> Answer:
    """Print the JSON Schema of a case, or of one plugin's settings.

    KIND is case, plan, strategy, model, datasource, metric, augmenter or executor; all but case
    and plan take the NAME of a plugin.
    """
    from tunebook.batch.plan import plan_model
    from tunebook.schema import CaseSchema

    if kind not in (*ALONE, *SCHEMA_KINDS) or (kind in ALONE) != (name is None):
        raise ConfigError(_schema_usage(settings, kind, name))
    host = settings.host()
    if kind == "plan":
        schema = plan_model(host).model_json_schema()
    elif name is None:
        schema = CaseSchema(host).json_schema()
    else:
        schema = host.get(kind, name).config.model_json_schema()
    return Answer(json.dumps(schema, indent=2, ensure_ascii=False), {"schema": schema})


def _schema_usage(settings: Settings, kind: str, name: str | None) -> Problem:
    where = "tunebook schema"
    if kind not in (*ALONE, *SCHEMA_KINDS):
        fix = did_you_mean(kind, [*ALONE, *SCHEMA_KINDS])
        expected = "case, plan or a kind of plugin"
        return Problem("usage.unknown_kind", where, expected, f"`{kind}`", fix)
    if kind in ALONE:
        return Problem("usage.invalid", where, f"`{kind}` alone", f"`{name}` after it", "drop it")
    names = settings.host().names(kind)
    return Problem("usage.invalid", where, "a NAME", f"only `{kind}`", did_you_mean("", names))


@command("describe")
@click.argument("name", required=False)
@click.pass_context
def describe_command(context: click.Context, name: str | None) -> Answer:
    """Explain a plugin, a `case` or the `plan` of a batch: what it is and every setting it has.

    Without NAME it explains everything: plugins with the schema of their settings, cases with
    their presets, commands with their options, controls, exit codes, and the shape of errors.
    """
    from tunebook.reference import reference

    settings: Settings = context.obj
    if name is None:
        return _whole(context, settings)

    content = _plan_reference() if name == "plan" else reference(settings.host(), name)
    content["fields"] = [
        dict(zip(("key", "type", "default", "description"), row, strict=True))
        for row in content.get("fields", ())
    ]
    return Answer(_reference_text(content), content)


def _whole(context: click.Context, settings: Settings) -> Answer:
    """Returns all that there is to call and to write."""
    from tunebook.cli.commands import commands_of
    from tunebook.surface import surface

    content = surface(settings.host())
    data = {**content, "commands": commands_of(context.find_root())}
    rows = {
        "commands": [each["name"] for each in data["commands"]],
        "cases": [each["name"] for each in data["cases"]],
        "controls": [*data["controls"]],
    }
    kinds = dict.fromkeys(each["kind"] for each in data["plugins"])
    for kind in kinds:
        rows[kind] = [each["name"] for each in data["plugins"] if each["kind"] == kind]
    lines = [(kind, ", ".join(names)) for kind, names in rows.items()]
    lines += [(f"exit {code}", meaning) for code, meaning in data["exit_codes"].items()]
    return Answer(table(lines), data, hints=["next: tunebook describe NAME", "or add --json"])


def _plan_reference() -> dict[str, Any]:
    from tunebook.batch.plan import BatchPlan
    from tunebook.reference import field_rows

    rows = [*field_rows(BatchPlan)]
    return {"name": "plan", "kind": "plan", "summary": BatchPlan.__doc__, "fields": rows}


def _reference_text(content: dict[str, Any]) -> str:
    first = _five_lines if content["kind"] == "strategy" else _two_lines
    parts = [first(content), content.get("about") or "", _pairs(content)]
    parts.append(_fields_text(content["fields"]))
    return "\n\n".join(inspect.cleandoc(part) for part in parts if part)


def _five_lines(content: dict[str, Any]) -> str:
    """Returns what a strategy does, when to use it, what it costs, where it works, its paper."""
    rows = [(content["name"], content["summary"])]
    rows += [(key, content[key]) for key in ("when", "cost", "where", "paper")]
    return table((key, text or "not said") for key, text in rows)


def _two_lines(content: dict[str, Any]) -> str:
    head = f"{content['name']} ({content['kind']}"
    head += f", {content['distribution']})" if content.get("distribution") else ")"
    return f"{head}\n\n{content['summary']}"


def _fields_text(fields: list[dict[str, str]]) -> str:
    """Returns each setting with its type and default, and below them what it is."""
    width = max((len(row["key"]) for row in fields), default=0)
    lines = []
    for row in fields:
        facts = f"{row['type']}, " + (
            "required" if row["default"] == "required" else f"default {row['default']}"
        )
        lines.append(f"{row['key']:<{width}}  {facts}")
        text = textwrap.wrap(row["description"], max(40, 96 - width))
        lines += [" " * (width + 2) + line for line in text]
    return "\n".join(lines)


def _pairs(content: dict[str, Any]) -> str:
    """Returns the remaining entries of a reference, one a line."""
    rows = [
        ("install", content.get("install")),
        *((key, ", ".join(content.get(key, ()))) for key in ("scores", "tasks")),
        *((f"training.{key}", value) for key, value in (content.get("training") or {}).items()),
        *(content.get("card") or {}).items(),
    ]
    rows = [row for row in rows if row[1] not in (None, "")]
    return table(rows) if rows else ""
