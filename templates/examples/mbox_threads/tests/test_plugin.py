from pathlib import Path

import pytest

from tunebook.errors import DataError
from tunebook.testing import parametrize_checks
from tunebook_mbox.impl import Mbox
from tunebook_mbox.plugin import MboxConfig

MAILS = Path(__file__).with_name("mails.mbox")


@parametrize_checks("mbox", settings={"path": str(MAILS)})
def test_it_keeps_the_contract_of_a_data_source(check):
    check()


def rows(path=MAILS, **settings):
    return Mbox(MboxConfig(path=str(path), **settings)).load().rows


def test_a_conversation_is_one_group():
    found = rows()
    assert found["group"].tolist() == ["<a@x>", "<a@x>", "<a@x>", "<d@x>"]
    assert found["label"].tolist() == ["refund", "refund", "thanks", "access"]
    assert found["text"][0] == "Money back\nI want my money back."


def test_mails_without_label_or_text_are_left_out():
    assert "<e@x>" not in rows()["id"].tolist()
    assert "<f@x>" not in rows()["id"].tolist()


def test_odd_character_sets_do_not_stop_it():
    assert rows()["text"][3].startswith("Käse")


@pytest.mark.parametrize("content", ["", "no mail at all", "From x\n\n\n"])
def test_a_file_without_labelled_mail_is_told(tmp_path, content):
    (tmp_path / "box").write_text(content)
    with pytest.raises(DataError, match="X-Label"):
        rows(tmp_path / "box")


def test_another_header_can_hold_the_label():
    assert set(rows(header="Subject")["label"]) >= {"Money back", "Käse"}
