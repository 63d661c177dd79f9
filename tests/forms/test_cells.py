"""What a cell is taken for, whatever a table holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tunebook.forms.cells import as_name, is_gap, is_name, is_text


@pytest.mark.parametrize(
    ("cell", "text", "name", "gap", "read"),
    [
        ("Ear", True, True, False, "Ear"),
        (" A01 ", True, True, False, "A01"),
        ("", True, True, False, ""),
        ("nan", True, True, False, "nan"),
        (np.str_("Eye "), True, True, False, "Eye"),
        ("\ud800", False, False, False, "\ud800"),
        (3, False, True, False, "3"),
        (np.int64(3), False, True, False, "3"),
        (3.0, False, True, False, "3"),
        (np.float32(3), False, True, False, "3"),
        (True, False, True, False, "True"),
        (None, False, False, True, ""),
        (float("nan"), False, None, True, ""),
        (pd.NA, False, False, True, ""),
        (pd.NaT, False, False, True, ""),
        (["Ear"], False, False, False, "['Ear']"),
        (b"Ear", False, False, False, "b'Ear'"),
    ],
)
def test_a_cell_is_what_it_is(
    cell: Any, text: bool, name: bool | None, gap: bool, read: str
) -> None:
    assert is_text(cell) is text
    if name is not None:
        assert is_name(cell) is name
    assert is_gap(cell) is gap
    assert as_name(cell) == read
