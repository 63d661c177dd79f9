"""Something to begin with: `new plugin`, `new case`, and `new where` for copier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import Settings, group
from tunebook.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tunebook.scaffolds import Template

WORDS = {"planned": "would make", "made": "made", "unchanged": "already there, unchanged:"}
Given = Mapping[str, str | None]


@group("new", short_help="Make a plugin project or a case to start from.")
def new_command() -> None:
    """Make something that already works, to be changed step by step.

    \b
    tunebook new plugin top_layers --kind strategy
    tunebook new case tickets --task single_label

    A plugin is a package with an entry point, settings, tests and a CI file. A case is a notebook,
    a YAML file with its settings, and example rows for yours to take the place of.

    Nothing is asked, nothing is written over, and no network is needed. The same call again says
    that all is there already; --dry-run says what would be made.
    """


def _placed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options where to make it, and whether."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        click.option("--dry-run", is_flag=True, help="Check everything, and write nothing."),
        click.option(
            "--into", type=folder, default=".", metavar="DIR", help="Make its folder inside DIR."
        ),
    ):
        function = option(function)
    return function


@new_command.command("plugin", short_help="Make a plugin project.")
@click.argument("name")
@click.option(
    "--kind", metavar="KIND", help="strategy, metric, augmentation, datasource, model or executor."
)
@click.option("--summary", metavar="TEXT", help="What it does, in one line.")
@_placed
@click.pass_obj
def plugin_command(settings: Settings, into: Path, dry_run: bool, **given: str | None) -> Answer:
    """Make the project of a plugin of some --kind, in a folder of its own.

    NAME is that of the plugin and of its package, in small letters, digits and underscores. What it
    does at first is simple and of use, keeps the contract of its kind (`tunebook check NAME`) and
    passes its own tests.
    """
    folder = into / str(given["name"]).replace("_", "-")
    return _make(settings, "plugin", folder, given, dry_run)


@new_command.command("case", short_help="Make a case: notebook, settings and example rows.")
@click.argument("name")
@click.option("--task", metavar="TASK", help="single_label, multi_label or regression.")
@click.option("--title", metavar="TEXT", help="What it is about, in one line.")
@_placed
@click.pass_obj
def case_command(settings: Settings, into: Path, dry_run: bool, **given: str | None) -> Answer:
    """Make a case for some --task: a notebook, its settings and example rows, in a folder.

    Its preset `smoke` runs at once. Then put your own file in the place of the rows.
    """
    return _make(settings, "case", into / str(given["name"]), given, dry_run)


@new_command.command("where", short_help="Say where the templates are.")
@click.argument("template", required=False)
def where_command(template: str | None) -> Answer:
    """Print the folder of TEMPLATE, or of all of them; copier can use them as well."""
    from tunebook.scaffolds import template_folder, template_names

    names = [template] if template else template_names()
    places = {name: str(template_folder(name)) for name in names}
    return Answer(places[template] if template else table(places.items()), {"templates": places})


def _make(settings: Settings, kind: str, folder: Path, given: Given, dry_run: bool) -> Answer:
    """Makes what a template gives in `folder`, or says what that would be."""
    from tunebook.scaffolds import (
        Template,
        misspelt,
        state_of,
        taken,
        template_folder,
        write_whole,
    )

    template, name = Template(template_folder(kind)), str(given["name"])
    _raise([*misspelt(template, name), *_wrong_options(template, given)])
    answers = template.answers(given)
    files = template.render(answers)
    status = "unchanged"
    # what is there has the name already, and may have been installed since
    if state_of(folder, files) == "new":
        _raise(taken(name, settings.host(), package=kind == "plugin"))
        made = dry_run or write_whole(folder, files) == "new"
        status = "planned" if dry_run else "made" if made else "unchanged"
    commands = template.next_commands(answers, folder)
    data = {
        "name": name,
        "path": str(folder.resolve()),
        "status": status,
        "files": [*files],
        "next": commands,
    }
    text = "\n".join([f"{WORDS[status]} {folder}", *(f"  {file}" for file in files)])
    return Answer(text, data, hints=[f"next: {line}" for line in commands])


def _wrong_options(template: Template, given: Given) -> Iterator[Problem]:
    for problem in template.problems(given):
        if problem.where != "name":
            yield replace(problem, where=f"--{problem.where}")


def _raise(problems: Iterable[Problem]) -> None:
    found = [*problems]
    if found:
        raise ConfigError(*found)
