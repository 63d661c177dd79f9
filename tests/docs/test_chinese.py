"""The Chinese texts say what the English ones do: same commands, headings, figures and links."""

from __future__ import annotations

import posixpath
import re

import pytest

from documented import ROOT, words
from pagemaker.markdown import fences, headings, links, tables

PAIRS = (
    ("README.md", "docs/README.zh.md"),
    ("docs/pages/quickstart.md", "docs/pages/quickstart.zh.md"),
)
FIGURE = re.compile(r"[+−-]?\d[\d,.]*\d|\d")
CODE = re.compile(r"`([^`]+)`")
CHINESE = re.compile(r"[\u4e00-\u9fff]")

both = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[name for name, _ in PAIRS])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@both
def test_headings_have_the_same_levels_in_the_same_order(english: str, chinese: str) -> None:
    ours, theirs = headings(read(english)), headings(read(chinese))
    assert [level for level, _ in ours] == [level for level, _ in theirs]
    assert len(ours) >= 4
    assert all(CHINESE.search(words) for level, words in theirs if level > 1)


@both
def test_blocks_have_the_same_commands_and_code(english: str, chinese: str) -> None:
    """Comments are translated, everything else is equal."""
    ours, theirs = fences(read(english)), fences(read(chinese))
    assert len(ours) == len(theirs) >= 6
    for first, second in zip(ours, theirs, strict=True):
        assert (first.language, first.title) == (second.language, second.title)
        assert without_comments(first.content) == without_comments(second.content)


def without_comments(content: str) -> list[list[str]]:
    return [words(line) for line in content.splitlines()]


@both
def test_tables_have_the_same_figures_and_names(english: str, chinese: str) -> None:
    ours, theirs = tables(read(english)), tables(read(chinese))
    assert [len(table) for table in ours] == [len(table) for table in theirs]
    rows = 0
    for first, second in zip(ours, theirs, strict=True):
        for row, translated in zip(first[1:], second[1:], strict=True):
            assert [FIGURE.findall(cell) for cell in row] == [
                FIGURE.findall(cell) for cell in translated
            ]
            assert [CODE.findall(cell) for cell in row] == [
                CODE.findall(cell) for cell in translated
            ]
            rows += 1
    assert rows >= 23 or english != "README.md"


@both
def test_paragraphs_have_the_same_figures_and_code(english: str, chinese: str) -> None:
    """In any order, for sentences are built differently; numbers in words aside."""
    ours, theirs = prose(read(english)), prose(read(chinese))
    assert sorted(CODE.findall(ours)) == sorted(CODE.findall(theirs))
    assert sorted(FIGURE.findall(ours)) == sorted(FIGURE.findall(theirs))


def prose(text: str) -> str:
    """Returns what is neither code block, table nor the name of the other language's text."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)", "]", text)


@both
def test_links_lead_to_the_same_places(english: str, chinese: str) -> None:
    ours, theirs = resolved(english), resolved(chinese)
    assert ours - {chinese} == theirs - {english}  # they lead to each other


def resolved(name: str) -> set[str]:
    here = posixpath.dirname(name)
    return {
        link if "://" in link else posixpath.normpath(posixpath.join(here, link))
        for link in links(read(name))
    }


@both
def test_nothing_is_left_in_english(english: str, chinese: str) -> None:
    paragraphs = [part for part in prose(read(chinese)).split("\n\n") if len(part.split()) > 8]
    assert [part for part in paragraphs if not CHINESE.search(part)] == []
