import math

import numpy as np
import pytest

from tunebook.contracts import Predictions
from tunebook.testing import parametrize_checks
from tunebook_alpha.impl import Alpha
from tunebook_alpha.plugin import AlphaConfig


@parametrize_checks("krippendorff_alpha")
def test_it_keeps_the_contract_of_a_metric(check):
    check()


def predictions(targets, predicted):
    return Predictions(np.array(targets), np.eye(2)[predicted], ("no", "yes"))


def test_a_worked_example():
    """Two raters, ten units, by hand: 1 - (2n - 1) * disagreements / (n0 * n1)."""
    told = predictions([0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
    by_hand = 1 - 19 * 4 / (14 * 6)
    assert Alpha(AlphaConfig()).compute(told).scores["alpha"] == pytest.approx(by_hand)


def test_one_class_alone_is_not_defined():
    assert math.isnan(Alpha(AlphaConfig()).compute(predictions([1, 1], [1, 1])).scores["alpha"])
