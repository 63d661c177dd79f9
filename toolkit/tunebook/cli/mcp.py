"""The door for agents: `mcp`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from tunebook.cli.answers import Answer
from tunebook.cli.application import Settings, command
from tunebook.errors import ConfigError, MachineError, Problem


@command("mcp")
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    metavar="DIR",
    help="The only folder that it can read and write; runs lie in it.",
)
@click.option("--read-only", is_flag=True, help="Start, change and stop nothing.")
@click.pass_obj
def mcp_command(settings: Settings, workspace: Path, read_only: bool) -> Answer | None:
    """Serve the Model Context Protocol on standard input and output, until the client goes.

    An agent can list, describe, validate, plan and audit; start, watch, steer and compare runs and
    batches; and read records, reports and schemas. Runs go on when the server ends. Paths that lead
    out of the workspace are refused; plugins come from the environment and from --plugin alone.
    """
    if settings.as_json:
        fix = "leave out --json"
        found = "a client that speaks the protocol"
        raise ConfigError(Problem("usage.option", "--json", "no such option", found, fix))
    try:
        from tunebook.mcp.server import serve
    except ModuleNotFoundError as error:
        install = 'pip install "tunebook[mcp]"'
        problem = ("environment.missing_package", "tunebook mcp", "the package mcp", str(error))
        raise MachineError(Problem(*problem, install)) from error
    from tunebook.mcp.workspace import Workspace

    opened = Workspace.opened(
        workspace,
        settings.runs_dir_in(workspace.resolve()),
        read_only=read_only,
        plugin_files=settings.plugin_files,
    )
    os.chdir(opened.root)  # where relative paths of a case begin
    # the wire is standard output itself, which commands otherwise keep for their answer
    with contextlib.redirect_stdout(settings.stdout):
        serve(opened)
    return None
