"""From what is typed to trackers that all speak one protocol."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from rendered_sets import HEIGHT, WIDTH, Orange, sequence, square_boxes

from siamtrack.boxes import Box
from siamtrack.errors import UsageError, WeightsError
from siamtrack.evaluation.experiments import follow_once
from siamtrack.evaluation.peers import Peer
from siamtrack.evaluation.trackers import ClassFactory, ModelFactory, PeerFactory, parse_tracker, parse_trackers
from siamtrack.models.cards import ModelCard
from siamtrack.models.registry import find_model, list_models
from siamtrack.models.weights import save_network

TOOLKIT = "rendered_sets:OrangeOfTheToolkit"


# What may be typed


def test_shipped_models() -> None:
    for name in list_models():
        factory = parse_tracker(name, device="cpu", precision="bfloat16")
        assert factory == ModelFactory(name, name, "cpu", "bfloat16")
        assert factory.card is not None
        assert factory.card["name"] == name
        assert factory.deterministic


@pytest.mark.parametrize(
    ("text", "name", "spec", "deterministic"),
    [
        ("opencv:kcf", "opencv-kcf", "opencv:kcf", True),
        ("kcf+1.0@opencv:kcf", "kcf+1.0", "opencv:kcf", True),
        ("opencv:mil", "opencv-mil", "opencv:mil", False),  # it draws random features
        (TOOLKIT, "orange-toolkit", TOOLKIT, True),  # the tracker's own name, made fit for a folder
        (f"mine@{TOOLKIT}", "mine", TOOLKIT, True),
        ("siam@siamtrack-lite", "siam", "siamtrack-lite", True),
    ],
)
def test_names_of_results(text: str, name: str, spec: str, deterministic: bool) -> None:
    factory = parse_tracker(text)
    assert (factory.name, factory.spec, factory.deterministic) == (name, spec, deterministic)


def test_a_weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from siamtrack.models.registry import create_network

    save_network(tmp_path / "my net.safetensors", create_network("lite0"), ModelCard(name="x", architecture="lite0"))
    (tmp_path / "bad.safetensors").write_text("no weights")
    monkeypatch.chdir(tmp_path)
    factory = parse_tracker("my net.safetensors")
    assert factory.name == "my-net"
    assert factory.spec == str(tmp_path / "my net.safetensors")  # a process elsewhere has another current folder
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        parse_tracker("bad.safetensors")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("siamtrack-lit", ("did you mean 'siamtrack-lite'", "opencv:nano=DIR", "module:Class", "NAME@")),
        ("opencv:crst", ("did you mean 'opencv:csrt'", "opencv:vit=FILE")),
        ("opencv:vit=none.onnx", ("none.onnx", "there is no such file")),
        ("opencv:vit", ("there is no such file",)),
        ("opencv:nano=none", ("none", "instead of one")),
        ("no_module:Class", ("there is no module 'no_module'", "PYTHONPATH")),
        ("rendered_sets:Nothing", ("'rendered_sets' has no class 'Nothing'",)),
        ("rendered_sets:Orange", ("gives a Orange", "got10k.trackers.Tracker")),
        ("rendered_sets:draw", ("cannot be made without arguments",)),
        ("a/b@siamtrack-lite", ("unknown model 'a/b@siamtrack-lite'",)),  # no name for a folder
    ],
)
def test_trackers_that_there_are_not(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_tracker(text)
    for word in words:
        assert word in str(caught.value)


def test_an_opencv_that_lacks_a_tracker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr("cv2.TrackerVit_create")
    with pytest.raises(UsageError, match=r"opencv:vit=.*pip install opencv-contrib-python"):
        parse_tracker(f"opencv:vit={tmp_path}/vit.onnx")


def test_files_that_opencv_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    path.write_text("no network")
    peer = Peer(f"opencv:vit={path}")
    with pytest.raises(UsageError, match=r"vit\.onnx' cannot be loaded"):
        peer.init(np.zeros((HEIGHT, WIDTH, 3), np.uint8), Box(10, 10, 20, 20))


def test_two_trackers_of_one_name() -> None:
    assert [each.name for each in parse_trackers(["opencv:kcf", "b@opencv:kcf"])] == ["opencv-kcf", "b"]
    with pytest.raises(UsageError, match=r"two trackers are called 'opencv-kcf'.*NAME@SPEC"):
        parse_trackers(["opencv:kcf", "opencv:kcf"])


# What tells one from another


def test_a_digest_is_that_of_the_files(tmp_path: Path) -> None:
    """Weights that are trained anew under the same name are another tracker."""
    shipped = ModelFactory("m", "siamtrack-lite", "cpu", "float32")
    assert shipped.digest == hashlib.sha256(find_model("siamtrack-lite").read_bytes()).hexdigest()
    exported = ModelFactory("e", str(tmp_path), "cpu", "float32")
    peer = PeerFactory("p", f"opencv:nano={tmp_path}", deterministic=True)
    digests = []
    for name, text in (("net.onnx", "one"), ("net.onnx", "two"), ("more.json", "two")):
        (tmp_path / name).write_text(text)
        digests.append(exported.digest)
        assert peer.digest == exported.digest
    assert len(set(digests)) == 3
    assert PeerFactory("p", "opencv:kcf", deterministic=True).digest is None


# What they do


@pytest.mark.parametrize(
    "factory",
    [
        ModelFactory("m", "siamtrack-lite", "cpu", "float32"),
        PeerFactory("p", "opencv:kcf", deterministic=True),
        ClassFactory("c", TOOLKIT, deterministic=True),
    ],
    ids=lambda factory: factory.name,
)
def test_factories_are_sent_to_other_processes(factory: ModelFactory) -> None:
    sent = pickle.loads(pickle.dumps(factory))
    assert sent == factory
    assert hash(sent) == hash(factory)
    run = follow_once(sent.make(), sequence("a"), lambda: None)
    np.testing.assert_allclose(run.boxes[:, :2], square_boxes(6)[:, :2], atol=12)


def test_a_toolkit_tracker_gets_rgb_and_boxes_from_1() -> None:
    """It only finds orange, which is blue in the wrong order, and its boxes are as those of the same in BGR."""
    toolkit = follow_once(ClassFactory("c", TOOLKIT, deterministic=True).make(), sequence("a"), lambda: None)
    direct = follow_once(Orange(), sequence("a"), lambda: None)
    np.testing.assert_array_equal(toolkit.boxes, direct.boxes)


def test_a_model_takes_boxes_of_any_size() -> None:
    tracker = ModelFactory("m", "siamtrack-lite", "cpu", "float32").make()
    tracker.init(np.zeros((HEIGHT, WIDTH, 3), np.uint8), Box(10, -70, 0.5, 200))
    found = tracker.update(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert found is not None
    assert np.isfinite(found).all()
