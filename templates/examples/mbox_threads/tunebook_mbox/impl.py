"""Mails of an mbox file through Python's own `mailbox`."""

from __future__ import annotations

import email.policy
import mailbox
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tunebook.contracts import Card, SourceData
from tunebook.errors import DataError, Problem
from tunebook_mbox.plugin import MboxConfig

COLUMNS = ["id", "text", "label", "group", "subject"]


class Mbox:
    """Returns a row for each mail with a label and a text.

    Columns: id (Message-ID), text (subject and body), label, group (Message-ID of the mail that the
    conversation began with), subject. Answers quote what they answer, so that a conversation must
    lie in one split.
    """

    def __init__(self, config: MboxConfig) -> None:
        self.config = config

    def load(self) -> SourceData:
        path = Path(self.config.path)
        rows = [*self._rows(path)]
        if not rows:
            raise DataError(_no_mail(path, f"no mail with a text and a {self.config.header}"))
        card = Card(
            title=path.name,
            description=f"{len(rows):,} mails with the header {self.config.header}.",
            licence="not stated",
            how_split="whole conversations",
            source=path.name,
        )
        return SourceData(pd.DataFrame(rows, columns=COLUMNS, dtype=object), card)

    def _rows(self, path: Path) -> Iterator[tuple[Any, ...]]:
        if not path.is_file():
            raise DataError(_no_mail(path, "no such file"))
        for number, mail in enumerate(mailbox.mbox(path, factory=_parse, create=False)):
            name = _ids(mail, "Message-ID") or [f"mail-{number}"]
            began = (_ids(mail, "References") or _ids(mail, "In-Reply-To") or name)[0]
            body = mail.get_body(("plain",))
            subject = str(mail.get("Subject", "")).strip()
            text = "\n".join(filter(None, [subject, _content(body)]))
            label = str(mail.get(self.config.header, "")).strip()
            if text and label:
                yield name[0], text, label, began, subject


def _parse(file: BinaryIO) -> EmailMessage:
    return BytesParser(policy=email.policy.default).parse(file)  # type: ignore[return-value]


def _content(body: Any) -> str:
    """Returns the text of a part; an unknown character set is no reason to stop."""
    if body is None:
        return ""
    try:
        return str(body.get_content()).strip()
    except (LookupError, UnicodeError):
        return body.get_payload(decode=True).decode("utf-8", "replace").strip()


def _ids(mail: EmailMessage, header: str) -> list[str]:
    return str(mail.get(header, "")).split()


def _no_mail(path: Path, found: str) -> Problem:
    expected = "an mbox file with labelled mails"
    fix = "give the path of the file, and the name of the header with the label"
    return Problem("data.no_mail", str(path), expected, found, fix)
