"""All pages of the site: their paths, their Markdown, and the order they are read in."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pagemaker import commands, directives, notebooks, plugins, protocols, python_api
from pagemaker.markdown import relink
from pagemaker.places import DOCS, PAGES, ROOT, bundled
from tunebook.schema import CaseSchema

BROUGHT: Mapping[str, str] = {
    "AGENTS.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/README.zh.md": "zh.md",
    "docs/strategies.md": "measured/strategies.md",
    "docs/matrix.md": "measured/matrix.md",
}
"""Documents that lie elsewhere in the repository, and where they are in the site."""

PICTURES: Mapping[str, str] = {"docs/learning_curve.png": "learning_curve.png"}
"""The same for pictures."""

INSTEAD: Mapping[str, str] = {"README.md": "index.md"}
"""Where links to a document lead that the site has another page for."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        path: Where it is in the site, such as ``how-to/own-data.md``.
        text: Its Markdown.
        source: The file of the repository it comes from; empty for a generated one.
    """

    path: str
    text: str
    source: str = ""


@cache
def pages() -> Mapping[str, Page]:
    """Returns every page by its path."""
    return {page.path: page for page in (*_tutorials(), *_generated(), *_written())}


def _written() -> Iterator[Page]:
    places = _places()
    for source, path in places.items():
        if source.endswith(".md"):
            text = directives.expand((ROOT / source).read_text(encoding="utf-8"))
            yield Page(path, _moved(text, source, path, places), source)


def _tutorials() -> Iterator[Page]:
    places = _places()
    for file in notebooks.all_notebooks():
        source, path = _in_repository(file), f"tutorials/{file.stem}.md"
        yield Page(path, _moved(notebooks.tutorial(file), source, path, places), source)


def _generated() -> Iterator[Page]:
    for module in (commands, plugins, protocols, python_api):
        for path, text in module.pages().items():
            yield Page(f"reference/{path}", text)


def _places() -> dict[str, str]:
    """Returns, by file of the repository, its path in the site."""
    written = {
        _in_repository(file): file.relative_to(PAGES).as_posix()
        for file in sorted(PAGES.rglob("*.md"))
    }
    tutorials = {_in_repository(f): f"tutorials/{f.stem}.md" for f in notebooks.all_notebooks()}
    return {**written, **BROUGHT, **PICTURES, **tutorials}


def _moved(text: str, source: str, path: str, places: Mapping[str, str]) -> str:
    """Returns the text with links that hold where it is in the site."""

    def change(link: str) -> str:
        target, hash_sign, anchor = link.partition("#")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = {**places, **INSTEAD}.get(there)
        if not target or place is None:
            return link
        return os.path.relpath(place, posixpath.dirname(path) or ".") + hash_sign + anchor

    return relink(text, change)


def _in_repository(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def other_files() -> dict[str, str]:
    """Returns what the site has beside pages, by path: the JSON Schema of a case."""
    schema = CaseSchema(bundled()).json_schema()
    return {"reference/case.schema.json": json.dumps(schema, indent=2, ensure_ascii=False)}


def settings() -> dict[str, Any]:
    """Returns what `mkdocs.yml` says."""
    content: dict[str, Any] = yaml.safe_load((DOCS / "mkdocs.yml").read_text(encoding="utf-8"))
    return content


def navigation(given: Any = None) -> Any:
    """Returns the `nav` of `mkdocs.yml` in which a folder, ``tutorials/``, stands for its pages.

    Args:
        given: A part of it; the whole when None.
    """
    if given is None:
        given = settings()["nav"]
    if isinstance(given, Mapping):
        return {name: navigation(below) for name, below in given.items()}
    if isinstance(given, str):
        return given
    return [each for item in given for each in _unfolded(item)]


def _unfolded(item: Any) -> list[Any]:
    if isinstance(item, str) and item.endswith("/"):
        return [path for path in pages() if path.startswith(item)]
    return [navigation(item)]
