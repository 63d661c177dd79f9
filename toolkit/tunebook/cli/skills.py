"""The skill for coding agents: `skills add` and `skills text`."""

from __future__ import annotations

from pathlib import Path

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import dry_run_option, group
from tunebook.errors import ConfigError, MachineError, Problem


@group("skills")
def skills_command() -> None:
    """Teach a coding agent to drive tunebook, by a file that agents look for in a project."""


@skills_command.command("add", short_help="Put the skill into a project.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the skill (default: .agents/skills/tunebook here).",
)
@click.option("--force", is_flag=True, help="Overwrite a skill that differs.")
@dry_run_option
def add_command(into: Path | None, force: bool, dry_run: bool) -> Answer:
    """Put the skill of this version of tunebook into a project; an existing one is kept."""
    from tunebook.cli.skill import NAME, PLACE, shipped_skill
    from tunebook.records import write_atomically

    place = (into or Path(*PLACE)) / NAME
    text = shipped_skill()
    there = _read(place)
    if there not in (None, text) and not force:
        found, fix = "another text", "look at the difference, or give --force"
        raise ConfigError(Problem("skills.differs", str(place), "no file", found, fix))
    if there != text and not dry_run:
        _make(place.parent)
        write_atomically(place, text)
    data = {"path": str(place), "changed": there != text, "dry_run": dry_run}
    done = "would be written" if dry_run else "written"
    return Answer(f"{place} {done}" if there != text else f"{place} is there already", data)


@skills_command.command("text", short_help="Print the skill, generated from the commands.")
def text_command() -> Answer:
    """Print the skill, generated from the installed commands."""
    from tunebook.cli.skill import skill_text

    text = skill_text()
    return Answer(text.rstrip("\n"), {"text": text})


def _read(place: Path) -> str | None:
    try:
        return place.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        fix = "name another folder with --into"
        problem = ("skills.unreadable", str(place), "a text or nothing", str(error), fix)
        raise ConfigError(Problem(*problem)) from error


def _make(folder: Path) -> None:
    from tunebook.records import write_problem

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(write_problem(folder, error)) from error
