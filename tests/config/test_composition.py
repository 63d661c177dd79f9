"""Compositions of adapters: three ways to write one, one tree; what is illegal is told where."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tunebook.composition import (
    BLOCKS,
    NESTINGS,
    Average,
    BatchSplit,
    Block,
    CompositionError,
    Fuse,
    MultiTask,
    Parallel,
    Stack,
    check,
    read,
)
from tunebook.errors import Problem

KINDS = [*BLOCKS.values()]
PAIRS = [(outer, inner) for outer in KINDS for inner in KINDS]
ILLEGAL = [(outer, inner) for outer, inner in PAIRS if inner not in NESTINGS[outer]]
quickly = settings(deadline=None, max_examples=60)


def make(kind: type[Block], *children: Block | str) -> Block:
    """Returns a block of `kind`, with what it needs beside its children."""
    return BatchSplit(*children, sizes=4) if kind is BatchSplit else kind(*children)


@st.composite
def compositions(draw: st.DrawFn, kind: type[Block] | None = None, place: str = "") -> Block:
    """Draws legal compositions; every adapter has another name."""
    kind = kind or draw(st.sampled_from(KINDS))
    inner = [k for k in NESTINGS[kind] if not place or k is Stack]
    children: list[Block | str] = []
    for number in range(draw(st.integers(1, 3))):
        if inner and draw(st.booleans()):
            children.append(draw(compositions(draw(st.sampled_from(inner)), f"{place}-{number}")))
        else:
            children.append(f"{draw(st.sampled_from('aZ_'))}{place}-{number}")
    if kind is BatchSplit:
        sizes = st.lists(st.integers(1, 64), min_size=len(children), max_size=len(children))
        return BatchSplit(*children, sizes=draw(sizes))
    if kind is Average and draw(st.booleans()):
        weights = st.lists(st.floats(1e-9, 1e9), min_size=len(children), max_size=len(children))
        return Average(*children, weights=draw(weights))
    return kind(*children)


def problems(content: Any) -> list[Problem]:
    with pytest.raises(CompositionError) as caught:
        read(content)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def test_yaml_text_and_python_say_the_same() -> None:
    python = Stack("language", Fuse("one", "two"))
    assert read(yaml.safe_load("{stack: [language, {fuse: [one, two]}]}")) == python
    assert read("stack(language, fuse(one, two))") == python
    assert read("Stack(language, Fuse(one, two))") == python
    assert read(python) is python
    assert str(python) == "stack(language, fuse(one, two))"
    assert python.to_json() == {"stack": ["language", {"fuse": ["one", "two"]}]}
    assert python != Stack("language", Fuse("two", "one"))
    assert python.adapters == ("language", "one", "two")


def test_options_stand_beside_the_children() -> None:
    split = BatchSplit("a", Stack("b", "c"), sizes=[3, 5])
    assert read({"batch_split": ["a", {"stack": ["b", "c"]}], "sizes": [3, 5]}) == split
    assert read("batch_split(a, stack(b, c), sizes=[3, 5])") == split
    assert read("batch_split(a, b, sizes=4)") == BatchSplit("a", "b", sizes=(4, 4))
    weighted = Average("a", "b", weights=[0.25, 0.75])
    assert read("average(a, b, weights=[0.25, 0.75])") == weighted
    assert read({"average": ["a", "b"]}).to_json() == {"average": ["a", "b"]}


def test_a_name_alone_is_a_stack_of_one() -> None:
    assert read("task") == Stack("task") == read({"stack": "task"})


@quickly
@given(compositions())
def test_what_is_printed_is_read_again(block: Block) -> None:
    assert check(block) == []
    assert read(str(block)) == block
    assert read(json.loads(json.dumps(block.to_json()))) == block
    assert eval(repr(block)) == block  # noqa: S307, RUF100 - the Python form is an expression
    assert hash(read(str(block))) == hash(block)


@quickly
@given(st.text(alphabet="ab_(),=[]-1. {}:", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        block = read(text)
    except CompositionError:
        assert all(p.where.startswith("composition") and p.fix for p in problems(text))
    else:
        assert read(str(block)) == block


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(("outer", "inner"), ILLEGAL)
def test_every_illegal_nesting_is_refused(
    outer: type[Block], inner: type[Block], deep: bool
) -> None:
    children: list[Block | str] = ["x", make(inner, "a", "b")]
    if deep:
        children = [make(outer, *children)]
    block = make(outer, *children)
    place = "composition" + f".{name_of(outer)}.0" * deep + f".{name_of(outer)}.1"
    found = {(p.code, p.where) for p in problems(block.to_json())}
    assert ("composition.nesting", place) in found


def name_of(kind: type[Block]) -> str:
    return next(name for name, block in BLOCKS.items() if block is kind)


def test_there_are_nineteen_illegal_nestings() -> None:
    assert len(PAIRS) == 36
    assert len(ILLEGAL) == 19


@pytest.mark.slow  # the library takes seconds to import
@pytest.mark.adapters
@quickly
@given(data=st.data())
def test_the_table_is_that_of_the_adapters_library(data: st.DataObject) -> None:
    """Whatever may be drawn of blocks, legal or not, is accepted by both or by neither."""
    library = pytest.importorskip("adapters.composition")
    block = data.draw(st.recursive(st.just("a"), any_block, max_leaves=6).filter(is_block))
    try:
        library.validate_composition(to_library(block, library))
        legal = True
    except ValueError:
        legal = False
    ours = {p.code for p in check(block)} & {"composition.nesting", "composition.too_deep"}
    assert legal == (not ours)


def is_block(value: Any) -> bool:
    return isinstance(value, Block)


def any_block(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(children, min_size=1, max_size=2)
    return st.builds(lambda kind, inner: make(kind, *inner), st.sampled_from(KINDS), several)


def to_library(child: Any, library: Any) -> Any:
    if isinstance(child, str):
        return child
    options = {"batch_sizes": [*child.sizes]} if isinstance(child, BatchSplit) else {}
    children = (to_library(inner, library) for inner in child)
    return getattr(library, type(child).__name__)(*children, **options)


@pytest.mark.slow
@pytest.mark.adapters
def test_no_block_of_the_library_is_forgotten() -> None:
    library = pytest.importorskip("adapters.composition")
    there = {kind.__name__ for kind in library.ALLOWED_NESTINGS} - {"Split"}
    assert {kind.__name__ for kind in NESTINGS} == there
    for outer, allowed in library.ALLOWED_NESTINGS.items():
        ours = NESTINGS.get({kind.__name__: kind for kind in KINDS}.get(outer.__name__))
        names = {kind.__name__ for kind in allowed} - {"str", "Split"}
        assert ours is None or {kind.__name__ for kind in ours} == names


@pytest.mark.parametrize(
    ("content", "code", "where", "fix"),
    [
        ("stak(a)", "unknown_block", "composition", "did you mean `stack`?"),
        ({"stack": ["a", {"fus": ["b"]}]}, "unknown_block", "composition.stack.1", "`fuse`"),
        ({"stack": []}, "empty", "composition.stack", "[language, task]"),
        ("stack(a, fuse())", "empty", "composition.stack.1.fuse", "write such as"),
        ("stack(a, b, a)", "adapter_twice", "composition.stack.2", "name another adapter"),
        ("stack(a, fuse(b, a))", "adapter_twice", "composition.stack.1", "leave one out"),
        ("fuse(a, a)", "adapter_twice", "composition.fuse.1", "leave one out"),
        ("batch_split(a, b, sizes=[4])", "sizes", "composition.batch_split", "`sizes: [8, 8]`"),
        ("batch_split(a, b)", "sizes", "composition.batch_split", "`sizes: [8, 8]`"),
        ("batch_split(a, sizes=[0])", "sizes", "composition.batch_split", "`sizes: [8]`"),
        ("batch_split(a, sizes=[1.5])", "sizes", "composition.batch_split", "`sizes: [8]`"),
        ({"batch_split": ["a"], "sizes": [True]}, "sizes", "composition.batch_split", "[8]"),
        ("average(a, b, weights=[1])", "weights", "composition.average", "[0.5, 0.5]"),
        ("average(a, b, weights=[0, 0])", "weights", "composition.average", "[0.5, 0.5]"),
        ("average(a, weights=[nan])", "weights", "composition.average", "[0.5]"),
        ({"average": ["a"], "weights": None}, "weights", "composition.average", "[0.5]"),
        ({"average": ["a"], "wights": [1]}, "unknown_option", "composition.average", "`weights`"),
        ({"stack": ["a"], "sizes": [1]}, "unknown_option", "composition.stack", "leave it out"),
        ({"stack": ["a"], "fuse": ["b"]}, "unreadable", "composition", "nest one in the other"),
        ({"stack": ["ä ö"]}, "unreadable", "composition.stack.0", "write such as"),
        ({"stack": ["x" * 65]}, "name", "composition.stack.0", "rename the adapter"),
        ({"stack": ["a", 7]}, "unreadable", "composition.stack.1", "write such as"),
        ({}, "unreadable", "composition", "write such as"),
        (None, "unreadable", "composition", "write such as"),
        ("stack(a", "unreadable", "composition", "write such as"),
        ("stack(a) b", "unreadable", "composition", "write such as"),
        ("stack(a; b)", "unreadable", "composition", "write such as"),
        (
            "fuse(stack(parallel(a, b), c), d)",
            "too_deep",
            "composition.fuse.0.stack.0",
            "nest the two the other way round",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    content: Any, code: str, where: str, fix: str
) -> None:
    (problem,) = problems(content)
    assert (problem.code, problem.where) == (f"composition.{code}", where)
    assert fix in problem.fix
    assert problem.expected


def test_two_ways_may_begin_alike() -> None:
    assert read("fuse(stack(language, one), stack(language, two))").adapters[0] == "language"


def test_all_errors_are_collected() -> None:
    found = problems({"stack": ["a", {"fus": ["b"]}, {"parallel": [{"fuse": ["c", "c"]}]}, "a"]})
    assert [(p.code.partition(".")[2], p.where.removeprefix("composition.")) for p in found] == [
        ("unknown_block", "stack.1"),
        ("adapter_twice", "stack.3"),
        ("nesting", "stack.2.parallel.0"),
        ("adapter_twice", "stack.2.parallel.0.fuse.1"),
    ]


def test_an_adapter_that_is_not_there_has_a_neighbour() -> None:
    (problem,) = check(Stack("langauge", "task"), ["language", "task"])
    assert problem.code == "composition.unknown_adapter"
    assert problem.where == "composition.stack.0"
    assert problem.fix == "did you mean `language`?"


def test_a_config_may_have_a_composition() -> None:
    field: TypeAdapter[Block] = TypeAdapter(Block)
    block = field.validate_json('{"stack": ["a", {"parallel": ["b", "c"]}]}', strict=True)
    assert block == Stack("a", Parallel("b", "c"))
    assert field.dump_python(block, mode="json") == block.to_json()
    assert [kind["type"] for kind in field.json_schema()["anyOf"]] == ["string", "object"]
    with pytest.raises(ValidationError) as caught:
        field.validate_json('{"multi_task": [{"parallel": ["b", "c"]}]}', strict=True)
    (problem,) = caught.value.errors()[0]["ctx"]["error"].problems
    assert (problem.code, problem.where) == ("composition.nesting", "multi_task.0")
    assert MultiTask("a") == field.validate_python("multi_task(a)")
