"""Reads compositions from mappings and short texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tunebook.composition.blocks import BLOCKS, Block, Stack, block_name, option_names
from tunebook.composition.checks import ADAPTER_NAME, CompositionError, Unread, check
from tunebook.errors import Problem, did_you_mean, shorten

EXAMPLE = "write such as `{stack: [language, task]}` or `stack(language, task)`"
TOKEN = re.compile(r"\s*(?:([A-Za-z0-9_.+-]+)|([(),=\[\]]))")


def read(content: Any, where: str = "composition") -> Block:
    """Returns the block that `content` describes, checked as `check` does.

    Args:
        content: A mapping such as ``{"stack": ["a", "b"]}``, a text such as ``stack(a, b)``, a
            name alone, which is a stack of one adapter, or a block.
        where: What the content is called in problems.

    Raises:
        CompositionError: With every problem in it.
    """
    reader = _Reader()
    found = reader.read(content, where)
    block = found if isinstance(found, Block) else Stack(found)
    problems = [*reader.problems, *check(block, where=where)]
    if problems:
        raise CompositionError(*problems)
    return block


class _Reader:
    """Makes blocks, and collects what it cannot read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, content: Any, where: str) -> Block | str:
        if isinstance(content, str) and not ADAPTER_NAME.fullmatch(content):
            content = self._content_of(content, where)
        if isinstance(content, Block | str):
            return content
        if isinstance(content, Mapping) and content:
            return self._block(content, where)
        expected = "a block, or the name of an adapter"
        return self._refuse("unreadable", where, expected, shorten(content), EXAMPLE)

    def _content_of(self, text: str, where: str) -> Any:
        try:
            return parse_text(text)
        except ValueError as error:
            found = f"{shorten(text)}: {error}"
            return self._refuse("unreadable", where, "a composition", found, EXAMPLE)

    def _block(self, content: Mapping[Any, Any], where: str) -> Block:
        kinds = {key: kind for key in content if (kind := _kind_of(key))}
        if not kinds:
            name = str(next(iter(content)))
            advice = did_you_mean(name, [*BLOCKS])
            return self._refuse("unknown_block", where, "the name of a block", f"`{name}`", advice)
        (key, kind), *others = kinds.items()
        if others:
            found = " and ".join(map(str, kinds))
            return self._refuse("unreadable", where, "one block", found, "nest one in the other")
        place = f"{where}.{block_name(kind)}".lstrip(".")
        children = _list(content[key])
        known = option_names(kind)
        for name in (name for name in content if name not in (key, *known)):
            advice = did_you_mean(str(name), known) if known else "leave it out"
            expected = f"options of `{block_name(kind)}`: {', '.join(known) or 'none'}"
            self._refuse("unknown_option", place, expected, f"`{name}`", advice)
        options = {name: _list(content[name], len(children)) for name in known if name in content}
        return kind(*(self.read(c, f"{place}.{n}") for n, c in enumerate(children)), **options)

    def _refuse(self, code: str, where: str, expected: str, found: str, fix: str) -> Block:
        self.problems.append(Problem(f"composition.{code}", where, expected, found, fix))
        return Unread()


def parse_text(text: str) -> Any:
    """Returns the mapping that a short text stands for: ``stack(a, b)`` → {"stack": ["a", "b"]}.

    Raises:
        ValueError: It says what was expected and what was found.
    """
    tokens = _TokenReader(text)
    content = tokens.child()
    tokens.take("")
    return content


class _TokenReader:
    """Reads from left to right; the empty token is the end."""

    def __init__(self, text: str) -> None:
        text = text.rstrip()
        self.tokens: list[str] = []
        end = 0
        while end < len(text):
            match = TOKEN.match(text, end)
            if match is None:
                raise ValueError(f"`{text[end:].strip()[0]}` has no meaning here")
            self.tokens.append(match[0].strip())
            end = match.end()

    @property
    def next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, *expected: str) -> str:
        """Returns the next token, one of `expected`, or a word when nothing is expected."""
        found = self.next
        if found not in expected if expected else not found or found in "(),=[]":
            wanted = " or ".join(f"`{e}`" if e else "the end" for e in expected) or "a name"
            raise ValueError(f"{wanted} expected, {f'`{found}`' if found else 'the end'} found")
        return self.tokens.pop(0) if found else found

    def child(self) -> Any:
        """Reads the name of an adapter, or a block."""
        name = self.take()
        if self.next != "(":
            return name
        self.take("(")
        children: list[Any] = []
        options: dict[str, Any] = {}
        while self.next != ")":
            if self.tokens[1:2] == ["="]:
                options |= self._option()
            else:
                children.append(self.child())
            if self.next != ")":
                self.take(",", ")")
        self.take(")")
        return {name: children, **options}

    def _option(self) -> dict[str, Any]:
        name = self.take()
        self.take("=")
        if self.next != "[":
            return {name: _number(self.take())}
        self.take("[")
        values = []
        while self.next != "]":
            values.append(_number(self.take()))
            if self.next != "]":
                self.take(",", "]")
        self.take("]")
        return {name: values}


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def _list(value: Any, times: int = 1) -> list[Any]:
    """Returns a list as it is, and anything else `times` times."""
    return list(value) if isinstance(value, list | tuple) else [value] * times


def _kind_of(name: Any) -> type[Block] | None:
    plain = {key.replace("_", ""): kind for key, kind in BLOCKS.items()}
    return plain.get(str(name).replace("_", "").lower())
