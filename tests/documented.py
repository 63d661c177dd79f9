"""What the documentation says that can be tried: its commands, its files, its lines of Python."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from pagemaker.markdown import FENCED, Fence, fences
from pagemaker.site import pages
from tunebook.cli.application import application
from tunebook.errors import TunebookError

ROOT = Path(__file__).parents[1]
PROGRAMS = ("tunebook", "make", "pip", "python", "pytest", "cd")
LIGHT = ("validate", "describe", "schema", "plugins", "batches", "cache")
"""Commands that are carried out as they are written."""

INLINE = re.compile(r"`((?:tunebook|make|python) [^`]+)`")


@dataclass(frozen=True)
class Document:
    """A text that people read.

    Attributes:
        path: Where it is in the repository, or in the site for a page that only is there.
        text: Its Markdown, directives carried out.
    """

    path: str
    text: str

    @property
    def blocks(self) -> list[Fence]:
        return fences(self.text)

    @property
    def files(self) -> dict[str, str]:
        """The files that it shows, by name."""
        return {block.title: block.content for block in self.blocks if block.title}

    @property
    def commands(self) -> list[str]:
        """The command lines in its blocks of commands."""
        lines = (
            line
            for block in self.blocks
            if block.language == ""
            for line in block.content.splitlines()
        )
        return [line for line in lines if line.strip()]

    @property
    def mentioned(self) -> list[str]:
        """The commands in its sentences, which may have words such as NAME in them."""
        prose = "".join(FENCED.split(self.text)[::2])
        return INLINE.findall(prose)

    @property
    def python(self) -> list[str]:
        """Its blocks of Python that aren't files."""
        return [b.content for b in self.blocks if b.language == "python" and not b.title]


def documents() -> list[Document]:
    """Returns the README, and every page that isn't generated."""
    readme = Document("README.md", (ROOT / "README.md").read_text(encoding="utf-8"))
    return [readme, *(Document(p.source, p.text) for p in pages().values() if p.source)]


def words(line: str) -> list[str]:
    """Returns the words of a command line, without its comment and what its output goes into."""
    found = shlex.split(line, comments=True)
    return found[: found.index(">")] if ">" in found else found


def parsed(arguments: list[str]) -> click.Context:
    """Returns the context of the command that `tunebook` would call with these arguments.

    Raises:
        click.UsageError: It would refuse them.
        TunebookError: There is no such command.
    """
    context = application.make_context("tunebook", list(arguments))
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


def command_named(line: list[str]) -> tuple[click.Command, list[str]]:
    """Returns the command that words name, and the options among them."""
    context = click.Context(application, info_name="tunebook")
    command: click.Command = application
    for word in line:
        if not isinstance(command, click.Group):
            break
        found = command.get_command(context, word)
        assert found is not None, f"`{' '.join(line)}` names no command"
        command = found
    return command, [word.partition("=")[0] for word in line if re.match(r"--?[a-z]", word)]


def every_command_line() -> Iterator[tuple[Document, str]]:
    """Yields each command line of each document."""
    for document in documents():
        for line in document.commands:
            yield document, line


def cheap(line: list[str]) -> list[str] | None:
    """Returns what to call instead of a command, such as `validate` for `run`; None for nothing."""
    program, *arguments = line
    if program != "tunebook":
        return None
    context = parsed(arguments)
    if arguments[0] in LIGHT:
        return arguments
    if arguments[0] == "batch":
        return [word for word in arguments if word != "--dry-run"] + ["--dry-run"]
    if arguments[0] != "run":
        return None
    given = [word for value in context.params["parameters"] for word in ("-p", value)]
    files = [f for a, f in itertools.pairwise(arguments) if a == "--plugin"]
    loaded = [word for file in files for word in ("--plugin", file)]
    return ["validate", context.params["case"], *given, *loaded]


def carried_out() -> list[tuple[str, str]]:
    """Returns every different command line that is tried, and the document that has it first.

    What names a file is tried for every document, since each shows a file of its own.
    """
    first: dict[tuple[str, str], str] = {}
    for document, line in every_command_line():
        with suppress(click.UsageError, TunebookError):  # another test tells of it
            if cheap(words(line)) is None or makes_its_files(document, line):
                continue
        own = document.path if {*words(line)} & {*document.files} else ""
        first.setdefault((shlex.join(words(line)), own), document.path)
    return [(line, path) for (line, _), path in first.items()]


def makes_its_files(document: Document, line: str) -> bool:
    """Whether a command of a notebook names a file, which only its cells would write."""
    return document.path.endswith(".ipynb") and bool(re.search(r"\.(py|ya?ml)\b", line))
