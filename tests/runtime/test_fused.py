"""Convolutions that take their activation with them, against the layers that they stand for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from siamtrack.models.backbones import SamePadConv2d
from siamtrack.models.registry import create_network, list_architectures
from siamtrack.runtime.autotune import torch_precisions
from siamtrack.runtime.fused import (
    MOST_SIZES,
    FusedConv2d,
    FusedSamePadConv2d,
    evenly_padded,
    has_onednn,
    prepare_for_inference,
)
from siamtrack.runtime.winograd import WinogradConv2d

needs_onednn = pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
ACTIVATIONS = {"none": nn.Identity(), "relu": nn.ReLU(), "relu6": nn.ReLU6()}


def random_conv(kind: type[nn.Conv2d], channels: int, kernel: int, **more: int) -> nn.Conv2d:
    conv = kind(channels, channels, kernel, **more).requires_grad_(False)
    conv.weight.copy_(3 * torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0)))
    return conv


@needs_onednn
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("groups", [1, 4])
def test_a_fused_convolution_is_the_convolution_and_its_activation(activation: str, groups: int) -> None:
    conv = random_conv(nn.Conv2d, 4, 3, stride=2, padding=1, groups=groups)
    images = 4 * torch.randn(2, 4, 9, 12, generator=torch.Generator().manual_seed(1))
    fused = FusedConv2d(conv, activation)  # type: ignore[arg-type]
    torch.testing.assert_close(fused(images), ACTIVATIONS[activation](conv(images)), rtol=1e-5, atol=1e-5)


@needs_onednn
def test_weights_are_sorted_once_for_each_of_some_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sort, sizes = torch.ops.mkldnn._reorder_convolution_weight, []
    monkeypatch.setattr(
        torch.ops.mkldnn, "_reorder_convolution_weight", lambda *given: (sizes.append(given[-1][-1]), sort(*given))[1]
    )
    conv = random_conv(nn.Conv2d, 4, 3)
    fused = FusedConv2d(conv, "none")
    images = 4 * torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    in_turn = list(range(7, 7 + MOST_SIZES))
    for size in (*in_turn, *in_turn, 16, *in_turn[1:], 7):  # the one too many takes the oldest one's place
        image = images[..., :size, :size]
        torch.testing.assert_close(fused(image), conv(image), rtol=1e-5, atol=1e-5)
    assert sizes == [*in_turn, 16, 7]


@needs_onednn
def test_weights_in_the_same_order_stand_in_memory_once() -> None:
    fused = FusedConv2d(random_conv(nn.Conv2d, 64, 1), "none")  # which has the same order for all of these
    for size in (15, 19, 31):
        fused(torch.zeros(1, 64, size, size).to(memory_format=torch.channels_last))
    described = [torch.ops.mkldnn._get_mkldnn_serialized_md(each).numpy().tobytes() for each in fused._packed.values()]
    assert len({id(each) for each in fused._packed.values()}) == len(set(described))


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([3, 5]), st.integers(5, 12), st.integers(5, 12))
def test_uneven_padding_needs_no_padded_copy(kernel: int, height: int, width: int) -> None:
    conv = random_conv(SamePadConv2d, 2, kernel, stride=2)
    assert isinstance(conv, SamePadConv2d)
    images = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(height * width))
    if has_onednn():
        torch.testing.assert_close(FusedSamePadConv2d(conv, "none")(images), conv(images), rtol=1e-5, atol=1e-5)
    if height % 2 == width % 2 == 0:
        torch.testing.assert_close(evenly_padded(conv)(images), conv(images), rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize("architecture", list_architectures())
def test_no_activation_is_left_after_a_convolution(architecture: str) -> None:
    prepared = prepare_for_inference(create_network(architecture, torch.Generator().manual_seed(0)), "cpu")
    assert not any(isinstance(module, nn.ReLU | nn.ReLU6 | nn.BatchNorm2d) for module in prepared.modules())
    convs = [module for module in prepared.modules() if isinstance(module, nn.Conv2d)]
    assert all(isinstance(conv, FusedConv2d | WinogradConv2d) for conv in convs)


@pytest.mark.skipif("bfloat16" not in torch_precisions(torch.device("cpu")), reason="this CPU has no bfloat16")
def test_bfloat16_answers_nearly_the_same() -> None:
    network = create_network("lite0", torch.Generator().manual_seed(0)).eval()
    prepared = prepare_for_inference(network, "cpu", "bfloat16")
    crops = 255 * torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        exact, rough = network.embed_search(crops), prepared.embed_search(crops.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert F.cosine_similarity(exact, rough.float(), dim=1).min() > 0.99


def test_without_onednn_the_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    network = create_network("lite0", torch.Generator().manual_seed(0)).eval()
    crops = 255 * torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    fused = prepare_for_inference(network, "cpu")
    monkeypatch.setattr("siamtrack.runtime.fused.has_onednn", lambda: False)
    plain = prepare_for_inference(network, "cpu")
    assert not any(isinstance(module, FusedConv2d) for module in plain.modules())
    with torch.inference_mode():
        torch.testing.assert_close(plain.embed_search(crops), fused.embed_search(crops), rtol=1e-4, atol=1e-5)
