import numpy as np

from tunebook.contracts import AugmentationContext
from tunebook.testing import parametrize_checks
from tunebook_abbreviations.impl import Abbreviations
from tunebook_abbreviations.plugin import AbbreviationsConfig


@parametrize_checks("abbreviations")
def test_it_keeps_the_contract_of_an_augmenter(check):
    check()


def shortened(text, **settings):
    context = AugmentationContext(np.random.default_rng(0))
    return Abbreviations(AbbreviationsConfig(**settings)).augment(text, context)


def test_words_are_shortened_whole_and_the_rest_stays():
    text = "Acute pain, without  history of a leftover"
    assert shortened(text, probability=1) == "ac pain, w/o  hx of a leftover"


def test_there_is_nothing_to_offer_for_other_words():
    assert shortened("pain in the knee", probability=1) is None


def test_the_table_is_the_user_s():
    assert shortened("pain in the knee", probability=1, table={"knee": "kn"}) == "pain in the kn"
