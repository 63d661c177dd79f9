import pytest

from tunebook.testing import find_candidates, parametrize_checks
from tunebook.testing.running import open_host


@parametrize_checks("averaged_adapters", slow=pytest.mark.slow)
def test_it_keeps_the_contract_of_a_strategy(check):
    check()


def test_every_member_learns_and_begins_somewhere_else():
    import torch

    from tunebook.testing.trials import prepare

    (candidate,) = find_candidates(
        open_host("averaged_adapters"), "averaged_adapters", settings={"members": 2}
    )
    parameters = prepare(candidate, "encoder").parameters
    first, second = (
        [p for n, p in parameters.items() if f"member_{k}" in n and n.endswith("down.0.weight")]
        for k in range(2)
    )
    assert len(first) == len(second) == 2
    assert all(p.requires_grad for p in [*first, *second])
    assert not torch.equal(first[0], second[0])
