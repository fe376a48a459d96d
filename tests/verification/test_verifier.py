"""Verifiers: files, refusals, calibration, and scans of a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from siamtrack.errors import UsageError, WeightsError
from siamtrack.models.cards import BranchSettings, Calibration, VerificationCard, read_verification_card
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network, read_any_card, read_card
from siamtrack.verification.handwriting import HandwritingBranch
from siamtrack.verification.networks import PatchBranch
from siamtrack.verification.verifier import (
    BranchVerifier,
    build_branch,
    load_verifier,
    save_verifier,
)

CARD = VerificationCard(
    name="test",
    branch=BranchSettings(dimension=8),
    comparison="euclidean",
    size=12,
    channels=1,
    calibration=Calibration(intercept=2.0, slope=-4.0),
    threshold=0.5,
    classes=("a", "b"),
)
PATCHES = np.random.default_rng(0).integers(0, 256, (5, 1, 12, 12), dtype=np.uint8)


@pytest.fixture
def branch() -> PatchBranch:
    made = PatchBranch(1, 12, 8)
    made.initialize(torch.Generator().manual_seed(0))
    return made.eval()


@pytest.fixture
def saved(branch: PatchBranch, tmp_path: Path) -> Path:
    path = tmp_path / "test.safetensors"
    save_verifier(path, branch, CARD)
    return path


def test_a_verifier_survives_the_round_trip(branch: PatchBranch, saved: Path) -> None:
    loaded = load_verifier(saved)
    assert (loaded.name, loaded.size, loaded.channels, loaded.threshold) == ("test", 12, 1, 0.5)
    assert read_verification_card(saved) == read_any_card(saved) == CARD
    assert torch.equal(loaded.embed(PATCHES), BranchVerifier(branch, CARD).embed(PATCHES))


def test_strokes_survive_the_round_trip(tmp_path: Path) -> None:
    card = CARD.model_copy(update={"branch": BranchSettings(kind="handwriting", dimension=8)})
    branch = HandwritingBranch(1, 12, 8).eval()
    save_verifier(tmp_path / "strokes.safetensors", branch, card)
    loaded = load_verifier(tmp_path / "strokes.safetensors")
    assert torch.equal(loaded.embed(PATCHES), BranchVerifier(branch, card).embed(PATCHES))


def test_values_are_those_of_the_comparison(branch: PatchBranch) -> None:
    verifier = BranchVerifier(branch, CARD)
    embedded = verifier.embed(PATCHES)
    values = verifier.compare(embedded, embedded[:2])
    assert values == pytest.approx(torch.cdist(embedded, embedded[:2]).double().numpy(), abs=1e-3)
    assert verifier.is_same(np.array([0.4, 0.6])).tolist() == [True, False]
    assert verifier.to_similarities(np.array([0.4]))[0] == -0.4


def test_the_calibration_is_a_logistic_curve() -> None:
    assert CARD.calibration.probability(0.5) == 0.5
    assert CARD.calibration.probability(0.0) == pytest.approx(1 / (1 + np.exp(-2)))
    assert CARD.calibration.probability(np.array([1e9, -1e9])).tolist() == pytest.approx([0, 1])


@pytest.mark.parametrize("shape", [(2, 3, 12, 12), (2, 1, 13, 12), (1, 12, 12)])
def test_patches_of_another_shape_are_refused(branch: PatchBranch, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"do not fit test: give \(N, 1, 12, 12\), gray"):
        BranchVerifier(branch, CARD).embed(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("read", [read_card, load_network])
def test_a_tracker_refuses_it_in_one_line(saved: Path, read: object) -> None:
    with pytest.raises(WeightsError) as caught:
        read(saved)  # type: ignore[operator]
    message = str(caught.value)
    assert message.startswith(f"{saved} tells same from different, it does not track: ")
    assert "\n" not in message


def test_weights_that_do_not_fit_their_card_are_refused(saved: Path) -> None:
    card = CARD.model_copy(update={"branch": BranchSettings(dimension=9)})
    save_file(load_file(saved), saved, {"card": card.model_dump_json()})
    with pytest.raises(WeightsError, match=r"test\.safetensors does not fit .*: of another shape: embed"):
        load_verifier(saved)


def test_a_card_that_lacks_something_is_named(saved: Path) -> None:
    card = json.loads(CARD.model_dump_json())
    del card["calibration"]
    save_file(load_file(saved), saved, {"card": json.dumps(card)})
    with pytest.raises(WeightsError, match="model card that cannot be read: calibration: Field required"):
        load_verifier(saved)


def test_a_trunk_sees_colors() -> None:
    with pytest.raises(UsageError, match="a trunk sees RGB: 1 channels"):
        build_branch(BranchSettings(kind="backbone"), 32, 1)


def test_a_tracking_model_without_calibration_is_refused(tmp_path: Path) -> None:
    tensors = load_file(find_model("siamtrack-lite"))
    path = tmp_path / "mine.safetensors"
    card = read_card(find_model("siamtrack-lite")).model_copy(update={"name": "mine"})
    save_file(tensors, path, {"card": card.model_dump_json()})
    with pytest.raises(UsageError, match=r"mine.safetensors is a tracking model whose cosines are not calibrated"):
        load_verifier(path)


def test_an_exported_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exported model, which only tracks"):
        load_verifier(tmp_path)


def test_scanning_with_a_branch_is_comparing_window_by_window(branch: PatchBranch) -> None:
    verifier = BranchVerifier(branch, CARD)
    image = np.random.default_rng(1).integers(0, 256, (1, 15, 20), dtype=np.uint8)
    scan = verifier.scan(image[:, 2:14, 5:17], image)
    assert scan.stride == 1
    assert scan.first == (6.0, 6.0)
    assert scan.values.shape == (4, 9)
    assert np.unravel_index(scan.values.argmin(), scan.values.shape) == (2, 5)
    assert scan.values[2, 5] == pytest.approx(0, abs=1e-3)
    window = verifier.embed(image[None, :, 1:13, 8:20])
    assert scan.values[1, 8] == pytest.approx(
        float(verifier.compare(verifier.embed(image[None, :, 2:14, 5:17]), window)[0, 0]), abs=1e-5
    )


def test_scanning_with_a_tracking_model_finds_the_patch() -> None:
    """A patch on the grid of the network; the map is highest where it was cut out."""
    verifier = load_verifier("siamtrack-lite")
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(0, 256, (3, 40, 48)), np.ones((1, 8, 8))).astype(np.uint8)
    scan = verifier.scan(image[:, 64 : 64 + verifier.size, 128 : 128 + verifier.size], image)
    row, column = np.unravel_index(scan.values.argmax(), scan.values.shape)
    center = scan.first[0] + scan.stride * column, scan.first[1] + scan.stride * row
    assert center == pytest.approx((128 + verifier.size / 2, 64 + verifier.size / 2), abs=scan.stride / 2)
    assert verifier.is_same(scan.values[row, column])
