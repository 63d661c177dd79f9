"""Which warnings are left out, and that no other is."""

from __future__ import annotations

import warnings

from tunebook.models.quiet import quiet_libraries


def test_what_peft_asks_of_transformers_5_is_no_news() -> None:
    with warnings.catch_warnings(record=True, action="always") as heard, quiet_libraries():
        warnings.warn("`is_gradient_checkpointing` is deprecated and", FutureWarning, stacklevel=1)
        warnings.warn("`num_labels` is deprecated", FutureWarning, stacklevel=1)
        warnings.warn("`is_gradient_checkpointing` is deprecated", UserWarning, stacklevel=1)
    assert [str(each.message)[:13] for each in heard] == ["`num_labels` ", "`is_gradient_"]
