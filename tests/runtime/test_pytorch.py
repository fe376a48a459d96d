"""The network in PyTorch as the tracker sees it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siamtrack.models.network import BoxNetwork
from siamtrack.models.registry import create_network, list_architectures
from siamtrack.runtime.autotune import probe, torch_precisions
from siamtrack.runtime.base import Geometry
from siamtrack.runtime.pytorch import AT_ONCE, TorchBackend


@pytest.mark.parametrize("architecture", list_architectures())
def test_geometry_is_derived_from_the_network(architecture: str) -> None:
    network = create_network(architecture, torch.Generator().manual_seed(0)).eval()
    geometry = Geometry.of(network)
    backend = TorchBackend(network)
    exemplar, search = probe(backend)
    assert exemplar.shape[1:3] == (geometry.exemplar_size,) * 2
    kernels = backend.cut_margin(backend.embed(backend.upload(exemplar)).features)
    responses = backend.correlate(kernels[None], backend.embed(backend.upload(search)).features)
    assert responses.shape == (1, 1, geometry.response_size, geometry.response_size)
    assert backend.reads_boxes == isinstance(network, BoxNetwork)


def test_many_crops_give_what_each_gives(network: BoxNetwork) -> None:
    backend = TorchBackend(network)
    crops = np.random.default_rng(0).integers(0, 256, (AT_ONCE + 3, 128, 128, 3), np.uint8)
    together = backend.embed(backend.upload(crops))
    for index, crop in enumerate(crops):
        alone = backend.embed(backend.upload(crop[None]))
        torch.testing.assert_close(together.features[index], alone.features[0], rtol=1e-4, atol=1e-5)
        for level, one in zip(together.levels, alone.levels, strict=True):
            torch.testing.assert_close(level[index], one[0], rtol=1e-4, atol=1e-4)


def test_every_precision_answers_in_float32(network: BoxNetwork) -> None:
    answers = []
    for precision in torch_precisions(torch.device("cpu")):
        backend = TorchBackend(network, "cpu", precision)
        exemplar, search = (backend.embed(backend.upload(crop)) for crop in probe(backend))
        kernels = backend.box_kernels(exemplar.levels)
        boxes = backend.read_boxes(kernels, search.levels, torch.tensor([[50.0, 70.0]]))
        responses = backend.correlate(backend.cut_margin(exemplar.features)[None], search.features)
        assert {each.dtype for each in (backend.cut_margin(exemplar.features), boxes, responses)} == {torch.float32}
        answers.append((responses, boxes))
    for responses, boxes in answers[1:]:
        torch.testing.assert_close(responses, answers[0][0], rtol=0.02, atol=0.3)
        assert float((boxes - answers[0][1]).abs().mean()) < 0.3  # pixels, logarithms and logits


def test_a_network_without_box_head_reads_none() -> None:
    backend = TorchBackend(create_network("alexnet_v2", torch.Generator().manual_seed(0)).eval())
    with pytest.raises(TypeError, match="reads no boxes"):
        backend.box_kernels([])
