"""The kit's small models and data, under the name that tests know them by."""

from tunebook.testing.tiny import (
    FILLER,
    TOPICS,
    case_content,
    rows,
    save_tiny_bert,
    save_tiny_gpt2,
    save_tiny_t5,
    save_tokenizer,
    vocabulary,
)

__all__ = [
    "FILLER",
    "TOPICS",
    "case_content",
    "rows",
    "save_tiny_bert",
    "save_tiny_gpt2",
    "save_tiny_t5",
    "save_tokenizer",
    "vocabulary",
]
