"""Two inputs, one answer: which weights are whose, and what follows from it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import Concatenation, create_comparison, list_comparisons
from siamtrack.verification import SiameseNetwork, TwoChannelNetwork
from siamtrack.verification.branches import PatchBranch, SequenceBranch


def patches(seed: int, channels: int = 3) -> Tensor:
    return 255 * torch.rand(4, channels, 16, 16, generator=torch.Generator().manual_seed(seed))


def patch_branch(seed: int = 0, channels: int = 3) -> PatchBranch:
    branch = PatchBranch(channels=channels, size=16, dimension=8)
    branch.initialize(torch.Generator().manual_seed(seed))
    return branch.eval()


@pytest.mark.parametrize("comparison", list_comparisons())
def test_shared_weights_make_it_symmetric(comparison: str) -> None:
    network = SiameseNetwork(patch_branch(), create_comparison(comparison))
    assert network.shared
    a, b = patches(1), patches(2)
    torch.testing.assert_close(network(a, b), network(b, a))


@pytest.mark.parametrize("comparison", list_comparisons())
def test_separate_weights_make_it_asymmetric(comparison: str) -> None:
    network = SiameseNetwork((patch_branch(0), patch_branch(1)), create_comparison(comparison))
    assert not network.shared
    a, b = patches(1), patches(2)
    assert ((network(a, b) - network(b, a)).abs() > 1e-5).all()


def test_a_concatenation_is_asymmetric_even_with_shared_weights() -> None:
    network = SiameseNetwork(patch_branch(), Concatenation(8, 2))
    a, b = patches(1), patches(2)
    assert network(a, b).shape == (4, 2)
    assert not torch.allclose(network(a, b), network(b, a))


def test_without_sharing_one_branch_becomes_two_that_part_as_they_learn() -> None:
    branch = patch_branch()
    network = SiameseNetwork(branch, create_comparison("euclidean"), shared=False)
    a, b = patches(1), patches(2)
    torch.testing.assert_close(network.embed_first(a), network.embed_second(a))

    own = {id(parameter) for parameter in branch.parameters()}
    assert sum(id(parameter) in own for parameter in network.parameters()) == len(own)
    assert len(list(network.parameters())) == 2 * len(own)

    step = torch.optim.SGD(network.parameters(), lr=0.1)
    network(a, b).sum().backward()
    step.step()
    assert not torch.allclose(network(a, b), network(b, a))


def test_a_shared_branch_is_held_and_saved_once() -> None:
    branch = patch_branch()
    network = SiameseNetwork(branch, create_comparison("cosine"))
    assert len(network.state_dict()) == len(branch.state_dict())
    given_twice = SiameseNetwork((branch, branch), create_comparison("cosine"))
    assert given_twice.shared


def test_it_is_the_comparison_of_the_embeddings() -> None:
    comparison = create_comparison("manhattan")
    network = SiameseNetwork((patch_branch(0), patch_branch(1)), comparison)
    a, b = patches(1), patches(2)
    torch.testing.assert_close(network(a, b), comparison(network.embed_first(a), network.embed_second(b)))


def test_every_parameter_learns_from_both_inputs() -> None:
    network = SiameseNetwork(patch_branch(), create_comparison("squared_euclidean"), shared=False)
    network(patches(1), patches(2)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_branches_may_be_of_two_modalities() -> None:
    network = SiameseNetwork((patch_branch(channels=1), SequenceBranch(5, dimension=8)), create_comparison("cosine"))
    assert network(patches(1, channels=1), torch.randn(4, 7, 5)).shape == (4,)


def test_branches_that_do_not_fit_together_are_told() -> None:
    network = SiameseNetwork((nn.Linear(3, 4), nn.Linear(3, 5)), create_comparison("cosine"))
    with pytest.raises(UsageError, match=r"shapes \(2, 4\) and \(2, 5\) cannot be compared"):
        network(torch.zeros(2, 3), torch.zeros(2, 3))


def test_there_are_no_three_branches() -> None:
    with pytest.raises(UsageError, match="one branch or a pair of them, not 3"):
        SiameseNetwork((nn.Identity(),) * 3, create_comparison("cosine"))  # type: ignore[arg-type]


def test_two_channels_see_both_patches_at_once() -> None:
    first_minus_second = nn.Conv2d(2, 1, 4, bias=False)
    with torch.no_grad():
        first_minus_second.weight[0, 0], first_minus_second.weight[0, 1] = 1 / 16, -1 / 16
    network = TwoChannelNetwork(nn.Sequential(first_minus_second, nn.Flatten()))
    a, b = torch.full((3, 1, 4, 4), 5.0), torch.tensor([1.0, 2.0, 7.0])[:, None, None, None].expand(3, 1, 4, 4)
    torch.testing.assert_close(network(a, b), torch.tensor([4.0, 3.0, -2.0]))


def test_two_channels_of_a_patch_branch() -> None:
    network = TwoChannelNetwork(PatchBranch(channels=6, size=16, dimension=1, normalize=False))
    logits = network(patches(1), patches(2))
    assert logits.shape == (4,)
    assert not torch.allclose(logits, network(patches(2), patches(1)))


@pytest.mark.parametrize(("a", "b"), [((2, 3, 8, 8), (2, 1, 8, 8)), ((2, 3, 8, 8), (1, 3, 8, 8)), ((8, 8), (8, 8))])
def test_two_channels_need_patches_of_one_shape(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="cannot be stacked"):
        TwoChannelNetwork(nn.Identity())(torch.zeros(a), torch.zeros(b))


def test_two_channels_give_one_number_a_pair() -> None:
    with pytest.raises(UsageError, match=r"gave \(4, 6, 16, 16\) for 4 pairs"):
        TwoChannelNetwork(nn.Identity())(patches(1), patches(2))


def test_the_package_names_its_networks_without_importing_torch() -> None:
    code = "import sys, siamtrack.verification as m; print('SiameseNetwork' in dir(m), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    import siamtrack.verification

    with pytest.raises(AttributeError, match="has no attribute 'SiamNetwork'"):
        siamtrack.verification.SiamNetwork  # noqa: B018
