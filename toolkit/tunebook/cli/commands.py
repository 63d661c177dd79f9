"""The commands as data: what can be typed, for a program that has read no help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import click

from tunebook.errors import ExitCode

COMMON = ("as_json", "debug", "plugin_files", "runs_dir_given", "help", "version")
"""Parameters that every command has."""

STREAMS: Mapping[str, str] = {
    "batch": "one object for each change of state, then a summary",
    "audition": "as `batch`, with one object for each rung",
    "resume": "of a batch as `batch`; of a run one object",
    "events": "one object for each event",
    "logs": "with --follow one object for each line, else one object",
}
"""By command, what `--json` prints where that isn't one object."""

USUAL = (ExitCode.OK, ExitCode.CONFIG, ExitCode.ENVIRONMENT)
RUNS = (*USUAL, ExitCode.DATA, ExitCode.TRAINING, ExitCode.STOPPED)
EXIT_CODES: Mapping[str, tuple[ExitCode, ...]] = {
    "audition": RUNS,
    "batch": RUNS,
    "matrix": RUNS,
    "nb": (*USUAL, ExitCode.DIFFERENT),
    "plan": (*USUAL, ExitCode.DATA),
    "predict": (*USUAL, ExitCode.DATA),
    "rerun": (*RUNS, ExitCode.DIFFERENT),
    "resume": RUNS,
    "run": RUNS,
    "wait": RUNS,
}
"""By command, its exit codes where they aren't `USUAL`; 1 is an error that nobody foresaw, and 5
an interrupt, of any."""


def commands_of(root: click.Context) -> list[dict[str, Any]]:
    """Returns every command, those of groups under both names, such as ``cache ls``."""
    assert isinstance(root.command, click.Group)
    return [_about(name, each) for name, each in walk(root.command, root)]


def walk(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yields every command that does something, with all of its names."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in walk(command, context))
        elif command is not None:
            yield name, command


def exit_codes_of(name: str) -> list[int]:
    """Returns the exit codes of a command."""
    return sorted({int(code) for code in EXIT_CODES.get(name.partition(" ")[0], USUAL)})


def _about(name: str, command: click.Command) -> dict[str, Any]:
    parameters = [each for each in command.params if each.name not in COMMON]
    return {
        "name": name,
        "summary": command.get_short_help_str(200),
        "help": inspect.cleandoc(command.help or ""),
        "arguments": [_argument(p) for p in parameters if isinstance(p, click.Argument)],
        "options": [_option(p) for p in parameters if isinstance(p, click.Option)],
        "json": STREAMS.get(name, "one object"),
        "exit_codes": exit_codes_of(name),
    }


def _argument(argument: click.Argument) -> dict[str, Any]:
    return {
        "name": argument.metavar or str(argument.name).upper(),
        "required": argument.required,
        "many": argument.nargs != 1,
        "default": _plain(argument.default),
    }


def _option(option: click.Option) -> dict[str, Any]:
    about: dict[str, Any] = {
        "flags": [*option.opts, *option.secondary_opts],
        "takes": None if option.is_flag else option.metavar or option.type.name,
        "many": option.multiple,
        "required": option.required,
        "default": _plain(option.default),
        "help": option.help or "",
    }
    kind = option.type
    if isinstance(kind, click.Choice):
        about["choices"] = [*kind.choices]
    if isinstance(kind, click.IntRange | click.FloatRange):
        about |= {"min": kind.min, "max": kind.max, "min_open": kind.min_open}
    return about


def _plain(value: Any) -> Any:
    """Returns a default as JSON types; click has a mark of its own for none."""
    return value if isinstance(value, str | int | float | bool | list | tuple) else None
