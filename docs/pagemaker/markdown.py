"""Markdown as parts: its fences, headings, links and tables, and tables made of rows."""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

PARSER = MarkdownIt("commonmark").enable("table")
FENCED = re.compile(r"(^```.*?^```[ \t]*$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s]+)(?=\))")
TITLE = re.compile(r'title="([^"]+)"')
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Fence:
    """A block of code: its language, the file it is said to be, and its lines."""

    language: str
    title: str
    content: str


def fences(text: str) -> list[Fence]:
    """Returns the blocks of code, in order."""
    return [_fence(token) for token in PARSER.parse(text) if token.type == "fence"]


def _fence(token: Token) -> Fence:
    title = TITLE.search(token.info)
    language = token.info.split()[0] if token.info.split() else ""
    return Fence(language, title.group(1) if title else "", token.content)


def headings(text: str) -> list[tuple[int, str]]:
    """Returns level and words of every heading."""
    tokens = PARSER.parse(text)
    return [
        (int(opening.tag[1:]), inside.content)
        for opening, inside in itertools.pairwise(tokens)
        if opening.type == "heading_open"
    ]


def title_of(text: str) -> str:
    """Returns the first heading."""
    return headings(text)[0][1]


def first_paragraph(text: str) -> str:
    """Returns the first paragraph that isn't a note, in one line."""
    tokens = PARSER.parse(text)
    paragraphs = (
        " ".join(inside.content.split())
        for opening, inside in itertools.pairwise(tokens)
        if opening.type == "paragraph_open" and opening.level == 0
    )
    return next(paragraph for paragraph in paragraphs if not paragraph.startswith("!!!"))


def anchors(text: str) -> set[str]:
    """Returns what a link to a part of the page may say after its #."""
    return {slug(words) for _, words in headings(text)}


def slug(words: str) -> str:
    """Returns the anchor of a heading, as Python-Markdown makes it."""
    plain = re.sub(r"[`*]", "", words)
    ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode("ascii")
    kept = re.sub(r"[^\w\s-]", "", ascii_only).strip().lower()
    return re.sub(r"[-\s]+", "-", kept)


def links(text: str) -> list[str]:
    """Returns where links and pictures lead, in order."""
    return [*_links(PARSER.parse(text))]


def _links(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        target = token.attrGet("href") or token.attrGet("src")
        if target:
            yield str(target)
        yield from _links(token.children or ())


def relink(text: str, change: Callable[[str], str]) -> str:
    """Returns the text with every link changed; code is left alone."""
    parts = FENCED.split(text)
    parts[::2] = [LINK.sub(lambda m: m[1] + change(m[2]), part) for part in parts[::2]]
    return "".join(parts)


def section(text: str, name: str) -> str:
    """Returns what stands below a heading, up to the next one that isn't below it.

    Raises:
        KeyError: There is no such heading.
    """
    heading = re.search(rf"^(#+) {re.escape(name)}\n", text, re.MULTILINE)
    if heading is None:
        raise KeyError(name)
    rest = text[heading.end() :]
    end = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start() if end else None].strip()


def tables(text: str) -> list[list[list[str]]]:
    """Returns every table as rows of cells, its header first."""
    found: list[list[list[str]]] = []
    tokens = PARSER.parse(text)
    for opening, inside in itertools.pairwise(tokens):
        if opening.type == "table_open":
            found.append([])
        elif opening.type == "tr_open":
            found[-1].append([])
        elif opening.type in ("td_open", "th_open"):
            found[-1][-1].append(inside.content)
    return found


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table; cells are Markdown on one line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def cell(text: str) -> str:
    """Returns text that can stand between the bars of a table."""
    return " ".join(text.split()).replace("\\|", "|").replace("|", "&#124;")


def code(text: str) -> str:
    """Returns text as code, also inside a table."""
    if "|" in text or "`" in text:
        return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"
    return f"`{text}`"


def papers(text: str) -> str:
    """Returns the text with its arXiv numbers as links."""
    return ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
