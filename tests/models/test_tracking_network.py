from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from siamtrack.errors import UsageError
from siamtrack.models.heads import BoxHead, BoxMaps
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.runtime.fused import prepare_for_inference

Crops = Callable[..., tuple[torch.Tensor, torch.Tensor]]


@pytest.mark.parametrize(
    ("architecture", "stride", "response", "scale"),
    [("alexnet_v1", 8, 17, 1e-3), ("alexnet_v2", 4, 33, 1e-3), ("alexnet_v3", 8, 17, 1e-3), ("lite0", 8, 25, 12 / 64)],
)
def test_standard_crops_give_the_published_response(
    architecture: str, stride: int, response: int, scale: float
) -> None:
    initial = create_network(architecture).head.log_scale.item()
    assert math.exp(initial) == pytest.approx(scale, rel=1e-5)
    with torch.device("meta"):
        network = create_network(architecture)
    assert (network.stride, network.response_size) == (stride, response)
    z, x = network.exemplar_size, network.search_size
    single = network(torch.empty(2, 3, z, z, device="meta"), torch.empty(2, 3, x, x, device="meta"))
    pyramid = network(torch.empty(2, 5, 3, z, z, device="meta"), torch.empty(2, 3, x, x, device="meta"))
    assert single.shape == (2, 1, response, response)
    assert pyramid.shape == (2, 5, response, response)


def test_every_parameter_gets_a_gradient(network: TrackingNetwork, small_crops: Crops) -> None:
    exemplars, searches = small_crops(network)
    outputs = [network(exemplars, searches)]
    if isinstance(network, BoxNetwork):
        outputs += boxes(network, exemplars, searches)
    assert all(torch.isfinite(output).all() for output in outputs)
    parameters = dict(network.named_parameters())
    # A mix of positive and negative weights: a plain sum would hide a gradient that cancels.
    generator = torch.Generator().manual_seed(5)
    mixed = sum((output * torch.randn(output.shape, generator=generator)).sum() for output in outputs)
    gradients = torch.autograd.grad(mixed, list(parameters.values()), allow_unused=True)
    without = [
        name
        for name, gradient in zip(parameters, gradients, strict=True)
        if gradient is None or not gradient.any() or not torch.isfinite(gradient).all()
    ]
    assert without == []
    assert {"head.log_scale", "head.bias"} <= parameters.keys()


def boxes(network: BoxNetwork, exemplars: torch.Tensor, searches: torch.Tensor) -> BoxMaps:
    kernels = network.box_kernel(network.embed_levels(exemplars)[1])
    sizes = torch.tensor([[40.0, 60.0]]).expand(len(exemplars), 2)
    return network.read_boxes(kernels, network.embed_levels(searches)[1], sizes)


@pytest.fixture
def box_network() -> BoxNetwork:
    """A network that reads boxes, its last layer drawn at random: a fresh one answers 0 everywhere."""
    network = create_network("lite0_box", torch.Generator().manual_seed(1)).eval()
    assert isinstance(network, BoxNetwork)
    generator = torch.Generator().manual_seed(2)
    torch.nn.init.normal_(network.box_head.read.weight, std=0.05, generator=generator)
    return network


def test_a_fresh_box_head_answers_as_before(small_crops: Crops) -> None:
    network = create_network("lite0_box", torch.Generator().manual_seed(1)).eval()
    assert isinstance(network, BoxNetwork)
    exemplars, searches = small_crops(network)
    assert all(not output.any() for output in boxes(network, exemplars, searches))


def test_boxes_are_read_on_the_grid_of_the_response(box_network: BoxNetwork, small_crops: Crops) -> None:
    exemplars, searches = small_crops(box_network, batch=3)
    with torch.no_grad():
        read, logits = boxes(box_network, exemplars, searches), box_network(exemplars, searches)
        alone = [boxes(box_network, exemplars[i : i + 1], searches[i : i + 1]) for i in range(3)]
        prepared = prepare_for_inference(box_network, "cpu")
        assert isinstance(prepared, BoxNetwork)
        fast = boxes(prepared, exemplars, searches)
    assert read.quality.shape == (3, *logits.shape[-2:])
    assert read.offsets.shape == read.log_sizes.shape == (3, 2, *logits.shape[-2:])
    for field, output in enumerate(read):
        torch.testing.assert_close(torch.cat([each[field] for each in alone]), output, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(fast[field], output, rtol=1e-3, atol=1e-3)


def test_the_embedding_of_levels_is_the_embedding(network: TrackingNetwork, small_crops: Crops) -> None:
    if not isinstance(network, BoxNetwork):
        network = BoxNetwork(network.backbone, network.head, BoxHead(network.backbone.level_channels))
    exemplars, searches = small_crops(network)
    with torch.no_grad():
        embedding, levels = network.embed_levels(searches)
        torch.testing.assert_close(embedding, network.embed_search(searches))
        kernels = network.cut_margin(network.embed_levels(exemplars)[0])
        torch.testing.assert_close(kernels, network.embed_exemplar(exemplars))
    assert tuple(level.shape[1] for level in levels) == network.backbone.level_channels
    assert levels[0].shape[-2:] == embedding.shape[-2:]


def test_a_batch_gives_what_its_samples_give(network: TrackingNetwork, small_crops: Crops) -> None:
    exemplars, searches = small_crops(network, batch=3)
    with torch.no_grad():
        together = network(exemplars, searches)
        alone = torch.cat([network(exemplars[i : i + 1], searches[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_several_exemplars_give_what_each_gives(network: TrackingNetwork, small_crops: Crops) -> None:
    exemplars, searches = small_crops(network, batch=4)
    with torch.no_grad():
        together = network(exemplars.reshape(2, 2, *exemplars.shape[1:]), searches[:2])
        first, second = network(exemplars[0::2], searches[:2]), network(exemplars[1::2], searches[:2])
    torch.testing.assert_close(together, torch.cat([first, second], dim=1), rtol=1e-5, atol=1e-5)


def test_embeddings_and_head_are_the_forward_pass(network: TrackingNetwork, small_crops: Crops) -> None:
    exemplars, searches = small_crops(network)
    with torch.no_grad():
        kernels, features = network.embed_exemplar(exemplars), network.embed_search(searches)
        torch.testing.assert_close(network.head(kernels[:, None], features), network(exemplars, searches))
        whole, margin = network.backbone(exemplars), network.backbone.exemplar_margin
    side = whole.shape[-1] - 2 * margin
    torch.testing.assert_close(kernels, whole[..., margin : margin + side, margin : margin + side])


def test_the_response_peaks_where_the_exemplar_was_cut(network: TrackingNetwork) -> None:
    x, z = network.search_size, network.exemplar_size
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 32, 32, generator=generator) * 255
    search = nn.functional.interpolate(coarse, size=(x, x), mode="bicubic").clamp(0, 255)
    right, down = 16, -32  # pixels off the center
    left, top = (x - z) // 2 + right, (x - z) // 2 + down
    with torch.no_grad():
        kernels = network.embed_exemplar(search[..., top : top + z, left : left + z])
        features = network.embed_search(search)
        # Cosine similarity, so that an untrained embedding cannot prefer a place where it is merely large.
        response = network.head.correlate(kernels[:, None], features)
        energy = network.head.correlate(torch.ones_like(kernels)[:, None], features.square()).sqrt()
    peak = int((response / energy).argmax())
    row, column = divmod(peak, network.response_size)
    center = (network.response_size - 1) // 2
    assert (column - center, row - center) == (right // network.stride, down // network.stride)


def test_prepared_network_gives_the_same_outputs(network: TrackingNetwork, small_crops: Crops) -> None:
    before = copy.deepcopy(network.state_dict())
    prepared = prepare_for_inference(network, "cpu")
    exemplars, searches = small_crops(network)
    with torch.no_grad():
        torch.testing.assert_close(prepared(exemplars, searches), network(exemplars, searches), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in prepared.modules())
    assert not any(parameter.requires_grad for parameter in prepared.parameters())
    assert not prepared.training
    convs = [module for module in prepared.modules() if isinstance(module, nn.Conv2d)]
    assert all(conv.weight.is_contiguous(memory_format=torch.channels_last) for conv in convs)
    assert (prepared.stride, prepared.response_size) == (network.stride, network.response_size)
    assert prepared.backbone.feature_size(200) == network.backbone.feature_size(200)
    # The network that was prepared is as it was.
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_preparing_a_training_network_leaves_it_in_training() -> None:
    network = create_network("lite0").train()
    prepared = prepare_for_inference(network, torch.device("cpu"))
    assert network.training
    assert not prepared.training


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(3, 127, 127),
        torch.zeros(1, 1, 127, 127),
        torch.zeros(1, 127, 127, 3),
        torch.zeros(1, 3, 127, 127, dtype=torch.uint8),
    ],
)
def test_images_of_another_kind_are_refused(images: torch.Tensor) -> None:
    network = create_network("alexnet_v2")
    for embed in (network.embed_exemplar, network.embed_search):
        with pytest.raises(UsageError, match=r"cannot be embedded: give \(B, 3, H, W\), RGB, floating point"):
            embed(images)
