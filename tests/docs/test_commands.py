"""What the documentation says to type can be typed: it parses, and what is cheap is carried out."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from documented import (
    PROGRAMS,
    ROOT,
    Document,
    carried_out,
    cheap,
    command_named,
    documents,
    every_command_line,
    parsed,
    words,
)
from pagemaker.commands import every_command
from tunebook import __all__ as public_names
from tunebook.cli.application import application

MEANT_TO_FAIL = ("stratgy=lora", "strategy=lorra")
"""Parts of commands that show what a mistake looks like."""

OK, MISTAKE, ENVIRONMENT = 0, 2, 6

HEAVY = re.compile(r"\b(run_case|start|find_learning_rate|load_classifier|run_batch|attach)\(")
"""Where a block of Python would load a model; what is above it is carried out."""


@pytest.fixture(scope="module")
def by_path() -> dict[str, Document]:
    return {document.path: document for document in documents()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type commands in."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def lay_out(document: Document, folder: Path) -> None:
    """Writes the files that a document shows, and those that everybody is taken to have."""
    template = (ROOT / "templates/my_strategy.py").read_text(encoding="utf-8")
    yaml = [block.content for block in document.blocks if block.language == "yaml"]
    example = yaml[0] if yaml else ""
    own = {"my_strategy.py": template, "tickets.yaml": example, "my_case.yaml": example}
    for name, content in {**own, **document.files}.items():
        (folder / name).write_text(content, encoding="utf-8")


def test_every_line_of_a_block_of_commands_is_a_command() -> None:
    lines = [line for _, line in every_command_line()]
    assert len(lines) >= 150
    assert [line for line in lines if words(line)[0] not in PROGRAMS] == []


def test_every_tunebook_command_parses() -> None:
    lines = [words(line) for _, line in every_command_line()]
    typed = [line[1:] for line in lines if line[0] == "tunebook"]
    assert len(typed) >= 130
    for arguments in typed:
        parsed(arguments)


def test_a_wrong_command_would_not_parse() -> None:
    for line in ("run medical_coding --grdi a=1", "cache lss", "events last --sinc 3"):
        with pytest.raises(Exception, match=r"grdi|lss|sinc"):
            parsed(line.split())


def test_every_command_in_a_sentence_exists_with_its_options() -> None:
    mentioned = [line for document in documents() for line in document.mentioned]
    typed = [words(line)[1:] for line in mentioned if line.startswith("tunebook ")]
    typed = [line for line in typed if line and not line[0].isupper()]
    assert len(typed) >= 50
    for line in typed:
        for one in alternatives(line):
            command, options = command_named(one)
            known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
            assert {*options} <= known, f"tunebook {' '.join(one)}"


def alternatives(line: list[str]) -> list[list[str]]:
    """Returns the lines that ``cache ls|rm`` means."""
    chosen = next((word for word in line if "|" in word), None)
    if chosen is None:
        return [line]
    place = line.index(chosen)
    return [[*line[:place], word, *line[place + 1 :]] for word in chosen.split("|")]


def test_what_is_made_and_installed_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(project["project"]["optional-dependencies"])
    lines = [line for _, line in every_command_line()]
    lines += [line for document in documents() for line in document.mentioned]
    made = {word for line in lines if line.startswith("make ") for word in words(line)[1:]}
    made = {word for word in made if "=" not in word and word.islower()}
    assert len(made) >= 4
    assert made <= targets
    asked = re.findall(r"(?:tunebook|\.)\[([a-z,]+)\]", "\n".join(d.text for d in documents()))
    assert len(asked) >= 3
    assert {extra for some in asked for extra in some.split(",")} <= extras


def test_every_script_exists_and_takes_its_options() -> None:
    lines = [line for document in documents() for line in (*document.commands, *document.mentioned)]
    scripts = [words(line)[1:] for line in lines if line.startswith("python tests/")]
    scripts = [line for line in scripts if not Path(line[0]).stem.isupper()]
    assert len(scripts) >= 5
    for script, *arguments in scripts:
        source = (ROOT / script).read_text(encoding="utf-8")
        options = [word for word in arguments if word.startswith("--")]
        assert [option for option in options if option not in source] == [], script


def test_enough_commands_are_carried_out() -> None:
    assert len(carried_out()) >= 95


@pytest.mark.parametrize(("line", "path"), carried_out())
def test_a_command_does_what_it_can_without_a_model(
    line: str, path: str, by_path: dict[str, Document], place: Path
) -> None:
    """Runs are only validated, batches only planned; what looks at a run needs one and is left."""
    lay_out(by_path[path], place)
    result = CliRunner().invoke(application, [*(cheap(words(line)) or ()), "--json"])
    answer = json.loads(result.stdout)
    if any(part in line for part in MEANT_TO_FAIL):
        assert result.exit_code == MISTAKE
        assert "did you mean" in answer["error"]["problems"][0]["fix"]
    elif result.exit_code == ENVIRONMENT:  # an extra isn't installed here, and it says which
        codes = {problem["code"] for problem in answer["error"]["problems"]}
        assert codes == {"environment.missing_package"}
    else:
        assert result.exit_code == OK, answer


def pieces() -> list[tuple[str, str]]:
    return [(document.path, block) for document in documents() for block in document.python]


def test_python_of_pages_and_readme_is_there() -> None:
    written = [path for path, _ in pieces() if not path.endswith(".ipynb")]
    assert len(written) >= 16


@pytest.mark.parametrize(
    ("path", "block"),
    [(path, block) for path, block in pieces() if not path.endswith(".ipynb")],
    ids=lambda value: value.splitlines()[-1][:60],
)
def test_python_is_right_up_to_where_it_loads_a_model(
    path: str, block: str, by_path: dict[str, Document], place: Path
) -> None:
    tree = ast.parse(block)
    used = re.findall(r"\btb\.(\w+)", block)
    assert {*used} <= {*public_names}
    lay_out(by_path[path], place)
    light: list[ast.stmt] = []
    for statement in tree.body:
        if HEAVY.search(ast.unparse(statement)):
            break
        light.append(statement)
    assert light
    exec(compile(ast.Module(light, []), path, "exec"), {"__name__": "example"})


@pytest.mark.slow
def test_the_plugin_of_the_how_to_keeps_the_contract(
    by_path: dict[str, Document], place: Path
) -> None:
    page = by_path["docs/pages/how-to/write-a-plugin.md"]
    (line,) = [words(each)[1:] for each in page.commands if each.startswith("tunebook check")]
    lay_out(page, place)
    result = CliRunner().invoke(application, [*line, "--json"])
    answer = json.loads(result.stdout)
    assert result.exit_code == OK, answer
    assert answer["passed"] >= 15


def test_help_of_every_command_runs() -> None:
    contexts = [*every_command()]
    assert len(contexts) >= 28
    for context in contexts:
        path = context.command_path.split()[1:]
        result = CliRunner().invoke(application, [*path, "--help"])
        assert result.exit_code == OK
        assert result.stdout.startswith("Usage: ")
