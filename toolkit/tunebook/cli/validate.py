"""Checking a case without touching data or models: `validate`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command

LONGEST_LIST = 10

parameter_option = click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a value, such as strategy=lora or training.epochs=2; may be given several times.",
)


@command("validate")
@click.argument("case")
@parameter_option
@click.pass_obj
def validate_command(settings: Settings, case: str, parameters: tuple[str, ...]) -> Answer:
    """Check CASE, a name or a YAML file, and print its resulting settings."""
    from tunebook.cases import parse_parameters, resolve_case

    resolved = resolve_case(settings.host(), case, parse_parameters(parameters))
    content = resolved.to_json_dict()
    return Answer(f"{case} is valid\n\n{case_text(content)}", {"case": content})


def case_text(content: Mapping[str, Any]) -> str:
    """Returns the settings of a case, one section a line, long ones wrapped."""
    shown = {key: _short(value) for key, value in content.items() if value not in ("", [])}
    width = max(map(len, shown), default=0) + 2
    return "\n".join(
        textwrap.fill(
            f"{key:<{width}}{text}",
            100,
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for key, text in shown.items()
    )


def _short(value: Any) -> str:
    if isinstance(value, list):
        long = len(value) > LONGEST_LIST
        return f"{len(value)} items" if long else f"[{', '.join(_short(v) for v in value)}]"
    if not isinstance(value, dict):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    rest = [f"{key}={_short(item)}" for key, item in value.items() if key != "kind"]
    kind = str(value.get("kind", ""))
    return f"{kind}({', '.join(rest)})" if kind and rest else kind or " ".join(rest)
