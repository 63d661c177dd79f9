import pytest

from tunebook.testing import parametrize_checks


@parametrize_checks("cosine_head", slow=pytest.mark.slow)
def test_it_keeps_the_contract_of_a_strategy(check):
    check()


@parametrize_checks("cosine_head", settings={"train_backbone": False}, slow=pytest.mark.slow)
def test_it_does_so_on_a_frozen_backbone(check):
    check()


def test_the_length_of_a_text_vector_changes_nothing():
    import torch

    from tunebook_cosine.impl import CosineHead

    head = CosineHead(torch.nn.Linear(8, 3), torch.nn.Identity(), 10.0)
    texts = torch.randn(5, 8)
    logits = head(texts)
    assert logits.shape == (5, 3)
    assert torch.allclose(head(7 * texts), logits, atol=1e-5)
    assert logits.abs().max() <= 10
