"""Pages hang together: links, navigation, topics, and the index for programs."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import ROOT, documents
from pagemaker.llms import llms_text
from pagemaker.markdown import anchors, headings, links, section, title_of
from pagemaker.notebooks import all_notebooks
from pagemaker.places import PAGES, bundled
from pagemaker.site import PICTURES, navigation, other_files, pages

TOPICS = sorted(path for path in pages() if path.startswith("topics/") and "index" not in path)
ESTIMATE = re.compile(r"([+-]?\d*\.\d+) \[([+-]?\d*\.\d+), ([+-]?\d*\.\d+)\]")
NUMBER = re.compile(r"(?<![\w.])\d*\.\d+|\b\d{1,3}(?:,\d{3})+\b|\b\d{3,}\b")


def test_every_link_inside_the_site_leads_somewhere() -> None:
    count = 0
    there_is = {*pages(), *PICTURES.values(), *other_files()}
    for path, page in pages().items():
        for link in inside(page.text):
            target, _, anchor = link.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            there = there if target else path
            assert there in there_is, f"{path}: {link}"
            if anchor:
                assert anchor in anchors(pages()[there].text), f"{path}: {link}"
            count += 1
    assert count >= 170


def inside(text: str) -> list[str]:
    return [link for link in links(text) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("name", ["README.md", "AGENTS.md", "CHANGELOG.md", "docs/README.zh.md"])
def test_every_link_of_a_document_leads_to_a_file_of_the_repository(name: str) -> None:
    file = ROOT / name
    found = inside(file.read_text(encoding="utf-8"))
    assert [link for link in found if not (file.parent / link.partition("#")[0]).exists()] == []


def test_links_that_the_readme_needs_are_kept() -> None:
    found = inside((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"docs/strategies.md", "docs/matrix.md", "docs/learning_curve.png"} <= {*found}


def flat(given: object) -> Iterator[str]:
    """Yields the pages of the navigation in their order."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, dict):
        for below in given.values():
            yield from flat(below)
    elif isinstance(given, list):
        for below in given:
            yield from flat(below)


def test_the_navigation_has_every_page_once() -> None:
    listed = [*flat(navigation())]
    assert len(listed) == len({*listed}) >= 65
    assert {*listed} == {*pages()}


def test_every_notebook_is_a_tutorial() -> None:
    notebooks = all_notebooks()
    assert len(notebooks) >= 7
    for notebook in notebooks:
        text = pages()[f"tutorials/{notebook.stem}.md"].text
        assert notebook.name in text
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        assert [c for c in cells if "".join(c["source"]).partition("\n")[0] not in text] == []


def test_every_page_begins_with_its_title_and_says_something() -> None:
    for path, page in pages().items():
        levels = [level for level, _ in headings(page.text)]
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert "<!-- " not in page.text.replace("<!-- `", ""), f"{path} has a directive left"
        assert len(page.text.split()) > 40, path


def test_llms_txt_lists_every_page_with_a_sentence() -> None:
    lines = re.findall(r"^- \[(.+?)\]\((.+?)\): (.+)$", llms_text(), re.MULTILINE)
    assert {path for _, path, _ in lines} == {*pages()}
    assert len(lines) == len(pages())
    for title, path, sentence in lines:
        assert title == title_of(pages()[path].text)
        assert len(sentence.split()) >= 3 or not sentence.isascii(), path
    assert llms_text().startswith("# tunebook\n\n> ")


@pytest.mark.parametrize("path", TOPICS)
def test_a_topic_says_when_what_it_costs_whose_it_is_what_to_type_and_what_was_measured(
    path: str,
) -> None:
    text = pages()[path].text
    for word in ("when", "cost", "works with", "paper"):
        (row,) = set(re.findall(rf"^\| {word} \| (.*) \|$", text, re.MULTILINE)[:1])
        assert row.strip()
    tried = section(text, "Try it")
    assert "tunebook " in tried or "import tunebook" in tried
    assert len(section(text, "What we measured").split()) >= 12


def test_there_is_a_topic_for_every_strategy_and_every_seed_topic() -> None:
    assert len(TOPICS) >= 19
    written = "\n".join((PAGES / path).read_text(encoding="utf-8") for path in TOPICS)
    shown = re.findall(r"<!-- strategy: (.+?) -->", written)
    shown = [name for some in shown for name in some.split(", ")]
    assert sorted(shown) == bundled().names("strategy")


def numbers(text: str) -> set[str]:
    """Returns the numbers in a text that somebody must have measured or counted, zeros dropped."""
    plain = re.sub(r"\]\([^)]*\)|`[^`]*`", "", text)
    return {found.lstrip("0").rstrip("0") for found in NUMBER.findall(plain)}


def estimates(text: str) -> set[tuple[float, frozenset[float]]]:
    """Returns every number with its interval; which setting was taken from which is left open."""
    return {
        (abs(value), frozenset((abs(low), abs(high))))
        for found in ESTIMATE.findall(text.replace("−", "-"))
        for value, low, high in [map(float, found)]
    }


def test_no_topic_has_an_estimate_that_stands_nowhere_else() -> None:
    sources = [ROOT / "README.md", ROOT / "docs/strategies.md"]
    known = set().union(*(estimates(file.read_text(encoding="utf-8")) for file in sources))
    assert len(known) >= 150
    written = {path: estimates((PAGES / path).read_text(encoding="utf-8")) for path in TOPICS}
    assert sum(map(len, written.values())) >= 15
    assert {path: found - known for path, found in written.items() if found - known} == {}


def test_no_topic_has_a_number_that_stands_nowhere_else() -> None:
    """What was measured stands in the README or docs/strategies.md, or in the case and notebook."""
    sources = [ROOT / "README.md", ROOT / "docs/strategies.md", *all_notebooks()]
    sources += [*ROOT.glob("plugins/tunebook_plugins/cases/*.yaml")]
    known = set().union(*(numbers(file.read_text(encoding="utf-8")) for file in sources))
    count = 0
    for path in TOPICS:
        written = (PAGES / path).read_text(encoding="utf-8")
        told = numbers(section(written, "What we measured"))
        assert sorted(told - known) == [], path
        count += len(told)
    assert count >= 50


def test_written_pages_and_documents_are_those_that_are_tried() -> None:
    written = {file.relative_to(ROOT).as_posix() for file in Path(PAGES).rglob("*.md")}
    assert len(written) >= 38
    assert written <= {document.path for document in documents()}
