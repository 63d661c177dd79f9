"""Tables as HTML, for notebooks: escaped, without styles of their own or a network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def html_table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Returns a table whose first column names its rows.

    Args:
        rows: Cells; what isn't text is shown as `str` has it.
        header: Names of the columns, none for a table of names and values.
    """
    left = "style='text-align:left;vertical-align:top'"
    head = "".join(f"<th {left}>{html.escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><th scope='row' {left}>{html.escape(str(first))}</th>"
        + "".join(f"<td {left}>{html.escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"
