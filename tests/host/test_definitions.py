"""What a plugin of a notebook needs is taken out of its cells, and nothing else."""

from __future__ import annotations

import pytest

from tunebook.definitions import definitions_of, undefined_in

CELLS = [
    "from __future__ import annotations\nimport math, os.path as path\n"
    "from json import dumps as told",
    "get_ipython().run_line_magic('matplotlib', 'inline')",
    "print('not again')",
    "a = = broken",
    "RATE = 1\nTABLE = {x: x for x in range(3)}; EXTRA = 2",
    "def mark(f):\n    return f",
    "class Base:\n    rate = RATE",
    "@mark\n# kept\nclass Mine(Base):\n    def go(self):\n        return math.pi + helper(TABLE)",
    "def helper(x):\n    return other(x)\n\ndef other(x):\n    return helper(x) if x else told(x)",
    "RATE = 3\nRATE += 1\nRATE = RATE * 2",
    "try:\n    import fast\nexcept ImportError:\n    fast = None",
]


def run(source: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "made"}
    exec(compile(source, "made", "exec"), names)
    return names


def test_what_is_needed_comes_along_and_works_alone() -> None:
    source = definitions_of(["Mine"], CELLS)
    names = run(source)
    assert names["Mine"].rate == 8  # type: ignore[attr-defined]
    assert {"math", "helper", "other", "TABLE", "told"} <= names.keys()
    assert undefined_in(source) == []
    assert "@mark\nclass Mine" in source


def test_what_is_not_needed_stays_where_it_is() -> None:
    source = definitions_of(["Mine"], CELLS)
    for left_out in ("get_ipython", "not again", "broken", "EXTRA", "fast"):
        assert left_out not in source


def test_a_definition_of_several_branches_is_taken_whole() -> None:
    assert run(definitions_of(["fast"], CELLS))["fast"] is None


def test_the_last_definition_counts_and_stands_after_what_it_needs() -> None:
    cells = ["class A(B): pass", "class B: x = 1", "class A(B): pass", "class B: x = 2"]
    assert run(definitions_of(["A"], cells))["A"].x == 2  # type: ignore[attr-defined]


def test_the_future_comes_first_whatever_the_order() -> None:
    source = definitions_of(["f"], ["def f(x: Unknown): ...", "from __future__ import annotations"])
    assert source.startswith("from __future__ import annotations")
    assert callable(run(source)["f"])


def test_odd_separators_of_lines_do_no_harm() -> None:
    cells = ["text = 'a\u2028b\x0c'\nclass A:\n    x = text", "class Ü:\n    a = A"]
    assert run(definitions_of(["Ü"], cells))["Ü"].a.x == "a\u2028b\x0c"  # type: ignore[attr-defined]


def test_a_name_that_no_cell_defines_is_told() -> None:
    with pytest.raises(LookupError, match="`Nowhere`"):
        definitions_of(["Nowhere"], CELLS)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f():\n    return gone(1)", ["gone"]),
        ("class A(gone): ...", ["gone"]),
        ("def f(x, *, y=len):\n    z = x\n    return [z for z in y(x)], __name__", []),
        ("import a.b\ndef f():\n    return a.b.c", []),
        ("def f():\n    global g\n    g = 1\n    return h", ["h"]),
        ("from somewhere import *\ndef f():\n    return gone", []),
    ],
)
def test_names_that_nothing_defines_are_found(source: str, missing: list[str]) -> None:
    assert undefined_in(source) == missing
