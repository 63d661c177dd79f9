"""Reference of the command line, made from the tree of commands itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from pagemaker.markdown import code, table
from tunebook.cli.application import application, common_options

COMMON = {name for option in common_options() for name in option.opts} | {"--help"}
"""Options that every command takes, described once."""

HEAD = """# Commands

Every command of `tunebook`, generated from the commands themselves; `tunebook COMMAND --help` says
the same.

Data go to standard output, everything else to standard error. With `--json` the data are one JSON
object with a `schema_version`, or one object a line for commands that run for long. The exit codes
are explained under [errors](errors.md).
"""


def pages() -> dict[str, str]:
    """Returns the page of all commands."""
    whole = _application()
    parts = [HEAD, "## Options of every command", _options(whole, own=False)]
    parts += [_command(context) for context in every_command()]
    return {"commands.md": "\n\n".join(parts) + "\n"}


def every_command(parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yields a context for every command, those of groups included."""
    parent = parent or _application()
    group = parent.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        yield context
        if isinstance(command, click.Group):
            yield from every_command(context)


def _application() -> click.Context:
    settings: dict[str, Any] = application.context_settings
    return click.Context(application, info_name="tunebook", **settings)


def _command(context: click.Context) -> str:
    command = context.command
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"## {code(context.command_path)}", f"```text\n{usage}\n```", _prose(command.help)]
    parts += [_options(context), _epilog(command.epilog)]
    return "\n\n".join(part for part in parts if part)


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\b\n", "")


def _epilog(text: str | None) -> str:
    """Returns the lines below the options, which are laid out by hand."""
    return f"```text\n{inspect.cleandoc(text).removeprefix(chr(8)).strip()}\n```" if text else ""


def _options(context: click.Context, *, own: bool = True) -> str:
    """Returns a command's own options, or those that it shares with all others."""
    records = [
        (code(record[0]), record[1])
        for option in context.command.get_params(context)
        if isinstance(option, click.Option) and COMMON.isdisjoint(option.opts) == own
        for record in [option.get_help_record(context)]
        if record
    ]
    return table(("option", "what it does"), records) if records else ""
