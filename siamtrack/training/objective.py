"""Training objective: from a batch to a loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from siamtrack.losses.box import box_loss
from siamtrack.losses.contrastive import contrastive_map_loss
from siamtrack.losses.labels import disc_labels, gaussian_labels, grid_offsets
from siamtrack.losses.logistic import balanced_logistic_loss, hardest_negatives_loss
from siamtrack.losses.ranking import ranking_loss, scale_labels
from siamtrack.losses.triplet import triplet_map_loss
from siamtrack.models.backbones import Backbone
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.training.dataset import Batch
from siamtrack.training.parallel import SINGLE_PROCESS, Processes
from siamtrack.training.recipe import LossSettings


@dataclass(frozen=True)
class Objective:
    """Loss and figures of one batch, scalars."""

    loss: Tensor
    """The weighted sum that is minimized."""
    logistic: Tensor
    """Balanced logistic loss of the pairs' own maps."""
    ranking: Tensor
    """Loss of the choice among positions and scales."""
    negatives: Tensor
    """Loss of the hardest cells of other pairs' pictures."""
    center_error: Tensor
    """Mean distance of the highest cell from the target, in pixels of the search crop."""
    box: Tensor
    """Loss of the boxes; 0 where the network reads none."""
    overlap: Tensor
    """Mean IoU of the boxes read near the target; NaN where there are none."""
    contrastive: Tensor
    """Contrastive loss of the pairs' own distance maps; 0 where it is not asked for."""
    triplet: Tensor
    """Triplet loss of the pairs' own maps; 0 where it is not asked for."""


def objective(
    network: TrackingNetwork, batch: Batch, settings: LossSettings, processes: Processes = SINGLE_PROCESS
) -> Objective:
    """Run the network on a batch, and measure how wrong it is.

    Every exemplar is also searched in the other pairs' search crops, where it must not be found: this costs one more
    correlation and no embedding.

    Args:
        network: in training mode or not; what it is made of, float32 or float64, is computed with.
        batch: this process's share.
        settings: weights and shapes of the parts.
        processes: whose shares make up the whole batch that is measured.
    """
    precision = network.head.bias.dtype
    exemplars = batch.exemplars.to(precision)
    count, scales = exemplars.shape[:2]
    kernels, exemplar_levels = _embed(network, network.exemplar_branch, exemplars.flatten(0, 1))
    kernels = network.cut_margin(kernels)
    kernels = kernels.reshape(count, scales, *kernels.shape[1:])
    features, search_levels = _embed(network, network.backbone, batch.searches.to(precision))
    # Embeddings may come in half precision; neighboring scales differ by less than it can tell.
    with torch.autocast(features.device.type, enabled=False):
        kernels, features = processes.gather(_full(kernels)), processes.gather(_full(features))
        compared = network.head.compare(kernels, features)
        own = network.head.respond(compared)
        crossed = network.head.cross(kernels[:, scales // 2], features)
    middle = own[:, scales // 2]

    offsets = grid_offsets(processes.gather(batch.centers), own.shape[-1], network.stride, batch.searches.shape[-1])
    near = disc_labels(offsets, settings.radius)
    logistic = balanced_logistic_loss(middle, near)
    contrastive, triplet = torch.zeros_like(logistic), torch.zeros_like(logistic)
    if settings.contrastive:
        contrastive = contrastive_map_loss(-compared[:, scales // 2], near, margin=settings.contrastive_margin)
    if settings.triplet:
        triplet = triplet_map_loss(middle, near, margin=settings.triplet_margin, hardest=settings.triplet_negatives)

    foreign = processes.gather(batch.exemplar_groups)[:, None] != processes.gather(batch.search_groups)[None, :]
    negatives = hardest_negatives_loss(crossed[foreign], settings.hard_negatives)

    cells = gaussian_labels(offsets, settings.ranking_sigma)
    apparent = processes.gather(batch.scales)
    targets = cells[:, None] * scale_labels(apparent, scales, settings.scale_sigma)[:, :, None, None]
    # Where the scale is not known, only the positions of the middle one compete.
    unknown = apparent.isnan()[:, None] & (torch.arange(scales, device=own.device) != scales // 2)
    own = own.masked_fill(unknown[:, :, None, None], torch.finfo(own.dtype).min)
    rivals = crossed.masked_fill(~foreign[:, :, None, None], -torch.inf).flatten(1)
    ranking = ranking_loss(own, targets, rivals)

    box, overlap = torch.zeros_like(logistic), torch.full_like(logistic, torch.nan)
    if isinstance(network, BoxNetwork):
        with torch.autocast(features.device.type, enabled=False):
            levels = [
                processes.gather(_full(level).reshape(count, scales, *level.shape[1:])[:, scales // 2])
                for level in exemplar_levels
            ]
            exemplar_sizes = processes.gather(batch.exemplar_sizes)
            read = network.read_boxes(
                network.box_kernel(levels), [processes.gather(_full(level)) for level in search_levels], exemplar_sizes
            )
        box, overlap = box_loss(read, exemplar_sizes, offsets, processes.gather(batch.sizes), settings.box_radius)

    loss = settings.logistic * logistic + settings.batch_negatives * negatives + settings.ranking * ranking
    loss = loss + settings.box * box + settings.contrastive * contrastive + settings.triplet * triplet
    error = _center_error(middle, offsets)
    return Objective(loss, logistic, ranking, negatives, error, box, overlap, contrastive, triplet)


def _embed(network: TrackingNetwork, branch: Backbone, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Embeddings, and their levels where the network reads boxes from them."""
    return network.embed_levels(images) if isinstance(network, BoxNetwork) else (branch(images), ())


def _full(x: Tensor) -> Tensor:
    """Convert to float32, or keep a wider type."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@torch.no_grad()
def _center_error(logits: Tensor, offsets: Tensor) -> Tensor:
    best = logits.flatten(1).argmax(dim=1)
    distances = torch.linalg.vector_norm(offsets, dim=-1).flatten(1)
    mean: Tensor = distances.gather(1, best[:, None]).nanmean()
    return mean
