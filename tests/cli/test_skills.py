"""The skill for coding agents: true to the commands that there are, and put into a project."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tunebook.cli.application import application
from tunebook.cli.commands import walk
from tunebook.cli.skill import NAME, PLACE, command_rows, shipped_skill, skill_text
from tunebook.errors import EXIT_CODES, ExitCode

Invoke = Callable[..., Any]
WORDS = {
    "CASE": "medical_coding",
    "RUN_ID": "no-such-run",
    "NB": "no-such.ipynb",
    "PY": "no-such.py",
    "A": "a.ipynb",
    "B": "b.ipynb",
    "HASH": "0",
    "KEY": "one",
    "DIR": ".",
    "COMMAND": "run",
    "…": "medical_coding",
}


def test_the_shipped_skill_is_what_the_commands_make_it() -> None:
    assert shipped_skill() == skill_text(), (
        "make it anew: tunebook skills text > toolkit/tunebook/.agents/skills/tunebook/SKILL.md"
    )


def test_it_is_a_skill_and_short() -> None:
    text = skill_text()
    _, head, body = text.split("---\n", 2)
    about = yaml.safe_load(head)
    assert about["name"] == "tunebook"
    assert 40 < len(about["description"]) < 1024
    assert len(text.splitlines()) < 200
    assert max(map(len, body.splitlines())) < 160


def test_every_command_and_exit_code_is_in_it() -> None:
    names = {name for name, _ in walk(application, click.Context(application))}
    assert len(names) > 40
    rows = [usage for usage, _ in command_rows()]
    assert all(any(row.startswith(f"tunebook {name}") for row in rows) for name in names)
    text = skill_text()
    assert all(f"| {int(code)} | {meaning} |" in text for code, meaning in EXIT_CODES.items())


def written_commands() -> list[str]:
    """Returns the commands in the skill, those of the table left out."""
    prose = skill_text().partition("## Commands")[0]
    blocks = re.findall(r"^tunebook .*$", prose, re.MULTILINE)
    inline = re.findall(r"`((?:tunebook|nb|run) [^`]*)`", prose)
    return [
        *blocks,
        *(line if line.startswith("tunebook") else f"tunebook {line}" for line in inline),
    ]


def test_every_command_in_its_prose_can_be_typed() -> None:
    found = written_commands()
    assert len(found) > 15
    for line in found:
        words = [WORDS.get(word, word) for word in shlex.split(line.partition("#")[0])[1:]]
        context, command = click.Context(application), application
        while isinstance(command, click.Group) and words:
            inner = command.get_command(context, words[0])
            assert inner is not None, line
            command, words = inner, words[1:]  # type: ignore[assignment]
        command.make_context("tunebook", words, parent=context)


def test_add_puts_it_where_agents_look_and_twice_is_once(invoke: Invoke) -> None:
    first, again = (json.loads(invoke("skills", "add", "--json").stdout) for _ in range(2))
    place = Path(*PLACE, NAME)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["path"] == str(place) == ".agents/skills/tunebook/SKILL.md"
    assert place.read_text("utf-8") == shipped_skill()


def test_a_skill_that_differs_is_kept_unless_forced(invoke: Invoke, tmp_path: Path) -> None:
    place = tmp_path / "mine" / NAME
    place.parent.mkdir()
    place.write_text("my own")
    result = invoke("skills", "add", "--into", "mine", "--json")
    assert result.exit_code == ExitCode.CONFIG
    assert json.loads(result.stdout)["error"]["problems"][0]["code"] == "skills.differs"
    assert place.read_text() == "my own"
    assert invoke("skills", "add", "--into", "mine", "--force").exit_code == 0
    assert place.read_text("utf-8") == shipped_skill()


def test_dry_run_writes_nothing(invoke: Invoke, tmp_path: Path) -> None:
    told = json.loads(invoke("skills", "add", "--dry-run", "--json").stdout)
    assert told["changed"] is True
    assert not (tmp_path / ".agents").exists()


@pytest.mark.parametrize("kind", ["file", "binary"])
def test_where_it_cannot_be_put(invoke: Invoke, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "mine").write_text("")
    else:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / NAME).write_bytes(b"\xff\xfe")
    result = invoke("skills", "add", "--into", "mine", "--json")
    problem = json.loads(result.stdout)["error"]["problems"][0]
    expected = {"file": "environment.not_writable", "binary": "skills.unreadable"}
    assert problem["code"] == expected[kind]
