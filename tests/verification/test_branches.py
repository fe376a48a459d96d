"""Branches: shapes, lengths, what they refuse, and that the same seed gives the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.verification.branches import PatchBranch, SequenceBranch, TrunkBranch


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
    plain, projected = TrunkBranch(backbone, normalize=False), TrunkBranch(backbone, dimension=10)
    with torch.no_grad():
        torch.testing.assert_close(plain(pictures), backbone(pictures).flatten(2).mean(2))
        assert projected(pictures).shape == (2, 10)
        torch.testing.assert_close(projected(pictures).norm(dim=1), torch.ones(2))
    assert (plain.dimension, projected.dimension) == (backbone.out_channels, 10)


def test_trunks_refuse_other_images(every_network: TrackingNetwork) -> None:
    branch = TrunkBranch(every_network.backbone)
    with pytest.raises(UsageError, match=r"give \(B, 3, H, W\), RGB"):
        branch(torch.zeros(1, 1, 96, 96))


def test_images_too_small_for_a_trunk_are_told() -> None:
    with pytest.raises(UsageError, match=r"images of \(32, 96\) pixels are too small for AlexNetV1"):
        TrunkBranch(create_network("alexnet_v1").backbone)(torch.zeros(1, 3, 32, 96))


def make(kind: str) -> PatchBranch | SequenceBranch | TrunkBranch:
    if kind == "patch":
        return PatchBranch(size=16)
    return SequenceBranch(5) if kind == "sequence" else TrunkBranch(create_network("lite0").backbone, dimension=8)


@pytest.mark.parametrize("kind", ["patch", "sequence", "trunk"])
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
