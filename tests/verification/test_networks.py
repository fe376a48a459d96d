"""Two inputs, one answer: which weights are whose, and what follows from it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import Concatenation, create_comparison, list_comparisons
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.verification import SiameseNetwork, TwoChannelNetwork
from siamtrack.verification.networks import BackboneBranch, PatchBranch, SequenceBranch


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


def images(*shape: int) -> Tensor:
    return 255 * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [4, 8, 28, 32, 64])
def test_patches_of_any_size_become_unit_vectors(channels: int, size: int) -> None:
    found = PatchBranch(channels, size, dimension=16)(images(3, channels, size, size))
    assert found.shape == (3, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_patches_keep_their_length_when_asked() -> None:
    branch = PatchBranch(size=16, dimension=16, normalize=False)
    unit = PatchBranch(size=16, dimension=16)
    unit.load_state_dict(branch.state_dict())
    found = branch(images(3, 3, 16, 16))
    assert not torch.allclose(found.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(nn.functional.normalize(found, dim=1), unit(images(3, 3, 16, 16)))


@pytest.mark.parametrize(
    "patches",
    [
        torch.zeros(2, 1, 32, 32),
        torch.zeros(2, 3, 32, 31),
        torch.zeros(3, 32, 32),
        torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
    ],
)
def test_other_patches_are_refused(patches: Tensor) -> None:
    with pytest.raises(UsageError, match=r"cannot be embedded: give \(B, 3, 32, 32\), floating point, 0..255"):
        PatchBranch()(patches)


def test_patches_have_four_pixels_or_more() -> None:
    with pytest.raises(UsageError, match="patches of 3 pixels are too small"):
        PatchBranch(size=3)


def test_a_sequence_becomes_the_last_state() -> None:
    branch = SequenceBranch(features=5, dimension=7)
    sequences = torch.randn(3, 6, 5)
    found = branch(sequences)
    assert found.shape == (3, 7)
    state = torch.zeros(3, 7), torch.zeros(3, 7)
    cell = nn.LSTMCell(5, 7)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in branch.lstm.state_dict().items()})
    for step in range(6):
        state = cell(sequences[:, step], state)
    torch.testing.assert_close(found, state[0])


@pytest.mark.parametrize("shape", [(2, 0, 5), (2, 6, 4), (6, 5)])
def test_other_sequences_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"give \(B, T, 5\) with one step or more"):
        SequenceBranch(5)(torch.zeros(shape))


def test_every_trunk_becomes_a_branch(every_network: TrackingNetwork) -> None:
    backbone = every_network.backbone
    pictures = images(2, 3, 96, 96)
    plain, projected = BackboneBranch(backbone, normalize=False), BackboneBranch(backbone, dimension=10)
    with torch.no_grad():
        torch.testing.assert_close(plain(pictures), backbone(pictures).flatten(2).mean(2))
        assert projected(pictures).shape == (2, 10)
        torch.testing.assert_close(projected(pictures).norm(dim=1), torch.ones(2))
    assert (plain.dimension, projected.dimension) == (backbone.out_channels, 10)


def test_trunks_refuse_other_images(every_network: TrackingNetwork) -> None:
    branch = BackboneBranch(every_network.backbone)
    with pytest.raises(UsageError, match=r"give \(B, 3, H, W\), RGB"):
        branch(torch.zeros(1, 1, 96, 96))


def test_images_too_small_for_a_trunk_are_told() -> None:
    with pytest.raises(UsageError, match=r"images of \(32, 96\) pixels are too small for AlexNetV1"):
        BackboneBranch(create_network("alexnet_v1").backbone)(torch.zeros(1, 3, 32, 96))


def make(kind: str) -> PatchBranch | SequenceBranch | BackboneBranch:
    if kind == "patch":
        return PatchBranch(size=16)
    return SequenceBranch(5) if kind == "sequence" else BackboneBranch(create_network("lite0").backbone, dimension=8)


@pytest.mark.parametrize("kind", ["patch", "sequence", "backbone"])
def test_weights_come_from_the_generator_alone(kind: str) -> None:
    a, b, c = make(kind), make(kind), make(kind)
    for branch, seed in ((a, 1), (b, 1), (c, 2)):
        branch.initialize(torch.Generator().manual_seed(seed))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(a.parameters(), c.parameters(), strict=True))


def test_an_lstm_is_drawn_within_its_bound() -> None:
    branch = SequenceBranch(5, dimension=16)
    branch.initialize(torch.Generator().manual_seed(0))
    drawn = torch.cat([parameter.flatten() for parameter in branch.parameters()])
    assert 0.2 < float(drawn.detach().abs().max()) <= 0.25
