"""`llms.txt`: the site in one page for programs that read; every page is there as Markdown too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pagemaker.markdown import first_paragraph, title_of
from pagemaker.site import navigation, pages

HEAD = """# tunebook

> Turns a pretrained Transformer into a model of one domain, in notebooks that a person or a program
> can re-run. Strategies, metrics, data sources and models are plugins; a case assembles them.

Every command takes `--json`: one object on standard output, problems with `code`, `where`,
`expected`, `found` and `fix`, and documented exit codes. Check a case with `tunebook validate CASE
-p KEY=VALUE` before running it, ask `tunebook describe NAME` what can be set, and `tunebook schema
case` for the JSON Schema. Pages below are Markdown.
"""


def llms_text() -> str:
    """Returns the index: every page with its title and its first paragraph, by section."""
    return HEAD + "\n".join(_part(navigation(), "Start")) + "\n"


def _part(given: Any, name: str) -> Iterator[str]:
    """Yields the lines of a section, then those of the sections below it."""
    own = [item for item in given if isinstance(item, str)]
    if own:
        yield f"\n## {name}\n"
        yield from map(_line, own)
    for item in given:
        if isinstance(item, Mapping):
            for title, below in item.items():
                yield from _part([below] if isinstance(below, str) else below, title)


def _line(path: str) -> str:
    text = pages()[path].text
    return f"- [{title_of(text)}]({path}): {first_paragraph(text)}"
