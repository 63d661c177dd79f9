import pytest

from tunebook.testing import find_candidates, parametrize_checks
from tunebook.testing.running import open_host


@parametrize_checks("vera", slow=pytest.mark.slow)
def test_it_keeps_the_contract_of_a_strategy(check):
    check()


def test_it_learns_fewer_parameters_than_lora_of_a_quarter_of_its_rank():
    from tunebook.testing.trials import prepare

    def trained(name, **settings):
        (candidate,) = find_candidates(open_host(name), name, settings=settings)
        parameters = prepare(candidate, "encoder").parameters
        return sum(p.numel() for n, p in parameters.items() if p.requires_grad and "head" not in n)

    assert 0 < trained("vera", r=32) < trained("lora", r=8) / 2
