"""The `tunebook` command. Importing it costs nothing: commands are loaded when they are called."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and leaves with an exit code of `tunebook.errors.ExitCode`."""
    from tunebook.cli.application import application

    application.main(arguments)
