"""Warm kernels: `kernel install`, `uninstall`, `status`, `stop`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import group


@group("kernel", short_help="Kernels that start with everything imported.")
def kernel_command() -> None:
    """Kernels that start with torch and the rest imported: forks of a server in the background.

    The server is started when a kernel is wanted, and ends by itself.
    """


@kernel_command.command("install", short_help="Make warm kernels a choice in Jupyter.")
@click.option("--user", is_flag=True, help="For the user, whatever environment Jupyter runs in.")
@click.option(
    "--prefix",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Below DIR (default: the environment of this Python).",
)
def install_command(user: bool, prefix: Path | None) -> Answer:
    """Install the kernelspec tunebook-warm for this Python; again does no harm."""
    from tunebook.kernels.spec import NAME, install

    if user and prefix:
        raise click.UsageError("give --user or --prefix, not both")
    folder = install(user=user, prefix=prefix)
    data = {"name": NAME, "path": str(folder)}
    return Answer(f"kernel {NAME} is in {folder}", data, hints=[f"next: papermill -k {NAME} …"])


@kernel_command.command("uninstall", short_help="Take the choice away again.")
def uninstall_command() -> Answer:
    """Remove the kernelspec tunebook-warm wherever Jupyter finds it."""
    from tunebook.kernels.spec import uninstall

    removed = [str(folder) for folder in uninstall()]
    return Answer("\n".join(f"removed {path}" for path in removed), {"removed": removed})


@kernel_command.command("status", short_help="Show kernelspec and servers.")
def status_command() -> Answer:
    """Show where the kernelspec is installed, and which servers run."""
    from tunebook.kernels.spec import installed

    servers, why = _ask("status")
    specs = [str(folder) for folder in installed()]
    text = [f"kernelspec: {', '.join(specs) or 'not installed'}", why, *_listed(servers)]
    return Answer(
        "\n".join(filter(None, text)),
        {"specs": specs, "servers": servers, "unavailable": why or None},
    )


@kernel_command.command("stop", short_help="End the servers.")
def stop_command() -> Answer:
    """End all servers of this user. Kernels that run go on, and their server ends after them."""
    servers, why = _ask("stop")
    text = why or f"servers stopped: {len(servers)}"
    return Answer(text, {"stopped": servers, "unavailable": why or None})


def _ask(wish: str) -> tuple[list[dict[str, Any]], str]:
    from tunebook.kernels import NotWarm
    from tunebook.kernels.client import ask_all

    try:
        return ask_all(wish), ""
    except NotWarm as reason:
        return [], f"no servers: {reason}"


def _listed(servers: list[dict[str, Any]]) -> list[str]:
    if not servers:
        return ["servers: none"]
    rows = [
        (
            server["key"],
            server["state"],
            server.get("pid", ""),
            server.get("kernels", ""),
            server.get("forks", ""),
            f"{(time.time() - server['started']) / 60:.0f} min" if "started" in server else "",
            server.get("python", ""),
        )
        for server in servers
    ]
    return [table(rows, ("server", "state", "process", "kernels", "forks", "age", "python"))]
