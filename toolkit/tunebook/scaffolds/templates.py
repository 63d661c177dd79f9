"""A template: what its `copier.yml` asks, and the files that come of the answers.

What is understood of a `copier.yml` are questions for text with `help`, `default`, `choices`,
`validator` and `when: false`, and the settings `_subdirectory` and `_message_after_copy`. Source:
https://copier.readthedocs.io/en/stable/configuring/
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from tunebook.errors import ConfigError, Problem, did_you_mean, shorten
from tunebook.scaffolds.places import SETTINGS

SUFFIX = ".jinja"
ANSWERS_FILE = ".copier-answers.yml"
Answers = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """One of the variables of a template.

    Attributes:
        help: What is asked.
        default: What is taken where there is no answer, itself a template; None where one is due.
        choices: The answers that there are; none for free text.
        validator: Template of what is wrong with an answer, empty where it is right.
        asked: Whether it can be answered; if not, it follows from other answers.
    """

    name: str
    help: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    validator: str = ""
    asked: bool = True

    @property
    def expected(self) -> str:
        """What an answer has to be."""
        return f"one of {', '.join(self.choices)}" if self.choices else self.help

    @classmethod
    def read(cls, name: str, content: Mapping[str, Any]) -> Question:
        """Returns the question that a section of a `copier.yml` is."""
        return cls(
            name,
            help=content.get("help", ""),
            default=content.get("default"),
            choices=tuple(content.get("choices", ())),
            validator=content.get("validator", ""),
            asked=content.get("when", True),
        )


class Template:
    """A template.

    Args:
        folder: Where its `copier.yml` lies.
    """

    def __init__(self, folder: Path) -> None:
        content = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
        self.folder = folder
        self.questions = [
            Question.read(name, section)
            for name, section in content.items()
            if not name.startswith("_")
        ]
        self._root = folder / content["_subdirectory"]
        self._message = content["_message_after_copy"]
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(folder), keep_trailing_newline=True, undefined=StrictUndefined
        )

    def problems(self, given: Mapping[str, str | None]) -> Iterator[Problem]:
        """Yields what is wrong with answers, None standing for no answer."""
        for question in (each for each in self.questions if each.asked):
            value = given.get(question.name)
            fix = self._fix(question, value)
            if fix:
                found = "nothing" if value is None else shorten(value, 60)
                yield Problem("template.answer", question.name, question.expected, found, fix)

    def objection(self, name: str, value: str) -> str:
        """Returns what is wrong with the answer to one question, empty where nothing is."""
        (question,) = (each for each in self.questions if each.name == name)
        return " ".join(self._render(question.validator, {name: value}).split())

    def _fix(self, question: Question, value: str | None) -> str:
        """Returns what to answer instead, empty where nothing is wrong."""
        if value is None:
            return "" if question.default is not None else "give an answer: it has no default"
        if question.choices:
            return "" if value in question.choices else did_you_mean(value, question.choices)
        return self.objection(question.name, value)

    def answers(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """Returns the value of every variable.

        Raises:
            ConfigError: With every answer that is missing or wrong.
        """
        problems = [*self.problems(given)]
        if problems:
            raise ConfigError(*problems)
        answers: dict[str, str] = {}
        for question in self.questions:
            value = given.get(question.name) if question.asked else None
            if value is None:
                value = self._render(question.default or "", answers)
            answers[question.name] = value
        return answers

    def render(self, answers: Answers) -> dict[str, str]:
        """Returns the text of every file by its path, with slashes, inside the project."""
        files = {}
        for source in (path for path in self._root.rglob("*") if path.is_file()):
            parts = source.relative_to(self._root).as_posix().removesuffix(SUFFIX).split("/")
            names = [self._render(part, answers) for part in parts]
            if all(names):  # a name that comes to nothing leaves the file, or the folder, out
                text = self._render(source.read_text(encoding="utf-8"), answers)
                files["/".join(names)] = text
        return dict(sorted(files.items()))

    def next_commands(self, answers: Answers, folder: Path) -> list[str]:
        """Returns what to type when the files lie in `folder`."""
        place = {"dst_path": shlex.quote(str(folder))}
        return self._render(self._message, answers, **place).splitlines()

    def _render(self, text: str, answers: Answers, **place: str) -> str:
        asked = [question.name for question in self.questions if question.asked]
        remembered = {name: answers[name] for name in asked if name in answers}
        conf = {"answers_file": ANSWERS_FILE, **place}
        template = self._environment.from_string(text)
        return template.render(answers, _copier_conf=conf, _copier_answers=remembered)
