"""What a cell of a table may be, as text, name or gap.

Most cells are text, and each is looked at several times: whether it is text is asked first, since
`numbers.Real` takes ten times as long to say that it is no number.
"""

from __future__ import annotations

import numbers
from typing import Any


def is_text(cell: Any) -> bool:
    """Whether a cell is text that can be encoded."""
    try:
        return isinstance(cell, str) and cell.encode() is not None
    except UnicodeEncodeError:  # a lone surrogate, which no tokenizer takes
        return False


def is_name(cell: Any) -> bool:
    """Whether a cell can name something: text, or a whole number."""
    if isinstance(cell, str):
        return is_text(cell)
    return isinstance(cell, numbers.Real) and float(cell).is_integer()


def is_gap(cell: Any) -> bool:
    """Whether there is nothing in a cell."""
    if isinstance(cell, str):
        return False
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or is_not_a_number(cell)


def is_not_a_number(cell: Any) -> bool:
    """Whether a cell is the floating-point value of that name, which pandas also has for gaps."""
    return isinstance(cell, numbers.Real) and bool(cell != cell)


def is_blank(cell: Any) -> bool:
    """Whether a cell is a text of nothing but white space."""
    return isinstance(cell, str) and not cell.strip()


def as_name(cell: Any) -> str:
    """Returns a label, id or group as text: ``3.0``, an integer beside a gap, becomes ``3``."""
    if isinstance(cell, str):
        return cell.strip()
    if is_gap(cell):
        return ""
    is_number = isinstance(cell, numbers.Real) and not isinstance(cell, numbers.Integral)
    return str(int(cell) if is_number else cell).strip()
