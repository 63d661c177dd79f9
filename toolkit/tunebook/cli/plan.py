"""What a run would be: `plan`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, command
from tunebook.cli.history import place_option
from tunebook.cli.validate import case_text, parameter_option


@command("plan")
@click.argument("case")
@parameter_option
@click.option("--no-notebook", is_flag=True, help="Of a run of the library, without a notebook.")
@click.pass_obj
def plan_command(
    settings: Settings, case: str, parameters: tuple[str, ...], no_notebook: bool
) -> Answer:
    """Say what a run of CASE, a name or a YAML file, would do; its data are read, and nothing is
    written.

    Time, memory and disk come from earlier runs, with how far off such predictions have been.
    The hash stands for settings, data, notebook and code: `tunebook run CASE … --plan HASH` refuses
    to run anything else.
    """
    from tunebook.cases import parse_parameters
    from tunebook.planning import plan_run

    planned = plan_run(
        settings.host(),
        case,
        parse_parameters(parameters),
        runs_dir=settings.runs_dir,
        with_notebook=not no_notebook,
    )
    data = planned.to_dict()
    words = ["tunebook", "run", case, *(word for each in parameters for word in ("-p", each))]
    words += ["--no-notebook"] if no_notebook else []
    onward = f"{shlex.join([*words, '--plan', data['hash']])}{place_option(settings)}"
    return Answer("\n\n".join(_text(data)), {**data, "next": [onward]}, hints=[f"next: {onward}"])


def _text(data: Mapping[str, Any]) -> Iterator[str]:
    legality = data["legality"]
    heads = ", ".join(
        f"{name + ': ' if name else ''}{each['task']} with a {each['head']} head"
        for name, each in legality["tasks"].items()
    )
    yield table(
        [
            ("hash", data["hash"]),
            ("model", f"{data['model']['source']}, {legality['family']}"),
            ("strategy", f"{legality['strategy']}, legal for {heads}"),
            ("notebook", data["notebook"] or "none"),
            ("prediction", data["prediction"]["sentence"]),
        ]
    )
    for name, about in data["data"].items():
        yield f"data{' of ' + name if name else ''}\n{table(_data_rows(about))}"
    yield "steps\n" + table((step["stage"], step["what"], _numbers(step)) for step in data["steps"])
    if data["warnings"]:
        yield "warnings\n" + "\n".join(f"  {text}" for text in data["warnings"])
    yield f"settings\n{case_text(data['case'])}"


def _data_rows(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "title", about["title"]
    yield "rows", ", ".join(f"{count:,} {name}" for name, count in about["splits"].items())
    yield "classes", f"{about['classes']:,}"
    words = about["words"]
    yield (
        "words",
        f"{words['median']} in the median, {words['p95']} at 95 %, {words['max']} at most",
    )
    yield "fingerprint", about["fingerprint"][:16]


def _numbers(step: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in step.items() if key not in ("stage", "what")}
    return ", ".join(f"{key} {_listed(v)}" for key, v in rest.items() if v not in (None, []))


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return " + ".join(f"{count:,} {name}" for name, count in value.items())
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)
