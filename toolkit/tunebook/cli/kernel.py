"""Warm kernels: `kernel install`, `uninstall`, `status`, `stop`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from tunebook.cli.answers import Answer, table
from tunebook.cli.application import DRY, dry_run_option, group


@group("kernel")
def kernel_command() -> None:
    """Kernels that start with torch and the rest imported: forks of a server in the background.

    The server is started when a kernel is wanted, and ends by itself.
    """


@kernel_command.command("install", short_help="Add warm kernels to Jupyter's list.")
@dry_run_option
@click.option("--user", is_flag=True, help="For the user, whatever environment Jupyter runs in.")
@click.option(
    "--prefix",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Below DIR (default: the environment of this Python).",
)
def install_command(user: bool, prefix: Path | None, dry_run: bool) -> Answer:
    """Install the kernelspec tunebook-warm for this Python; doing it again does no harm."""
    from tunebook.kernels.spec import NAME, install, place

    if user and prefix:
        raise click.UsageError("give --user or --prefix, not both")
    folder = (place if dry_run else install)(user=user, prefix=prefix)
    data = {"dry_run": dry_run, "name": NAME, "path": str(folder)}
    verb, hint = ("would be", DRY) if dry_run else ("is", f"next: papermill -k {NAME} …")
    return Answer(f"kernel {NAME} {verb} in {folder}", data, hints=[hint])


@kernel_command.command("uninstall", short_help="Remove them from Jupyter's list.")
@dry_run_option
def uninstall_command(dry_run: bool) -> Answer:
    """Remove the kernelspec tunebook-warm wherever Jupyter finds it."""
    from tunebook.kernels.spec import installed, uninstall

    gone = [str(folder) for folder in (installed if dry_run else uninstall)()]
    verb = "would remove" if dry_run else "removed"
    data = {"dry_run": dry_run, "removed": gone}
    return Answer("\n".join(f"{verb} {path}" for path in gone), data, hints=[DRY] * dry_run)


@kernel_command.command("status", short_help="Show the kernelspec and the servers.")
def status_command() -> Answer:
    """Show where the kernelspec is installed, and which servers are running."""
    from tunebook.kernels.spec import installed

    servers, why = _ask("status")
    specs = [str(folder) for folder in installed()]
    text = [f"kernelspec: {', '.join(specs) or 'not installed'}", why, *_listed(servers)]
    return Answer(
        "\n".join(filter(None, text)),
        {"specs": specs, "servers": servers, "unavailable": why or None},
    )


@kernel_command.command("stop", short_help="End the servers.")
@dry_run_option
def stop_command(dry_run: bool) -> Answer:
    """End all servers of this user. Running kernels go on; their server ends after them."""
    servers, why = _ask("status" if dry_run else "stop")
    text = why or f"servers {'that would be ' * dry_run}stopped: {len(servers)}"
    data = {"dry_run": dry_run, "stopped": servers, "unavailable": why or None}
    return Answer(text, data, hints=[DRY] * dry_run)


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
