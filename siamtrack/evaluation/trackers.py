"""Trackers of any origin behind one small protocol, made from what is typed: `--tracker SPEC` or `NAME@SPEC`.

A spec is a model of siamtrack (a shipped name, a weights file, an exported folder), a tracker of OpenCV (`opencv:kcf`)
or a `got10k.trackers.Tracker` (`module:Class`). What it gives is a factory: it can be pickled, and every process that
tracks makes its own tracker with it.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, trackable_box
from siamtrack.config import Precision
from siamtrack.errors import UsageError
from siamtrack.evaluation.peers import Peer
from siamtrack.models.registry import find_model, list_models
from siamtrack.tracking.loop import SingleTracker

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][\w.+-]*)@(?P<spec>.+)", re.ASCII)
_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
FORMS = "a model, opencv:csrt, opencv:kcf, opencv:mil, opencv:nano=DIR, opencv:vit=FILE or module:Class"
"""Forms of a tracker's specification, in words."""


BoxTracker = SingleTracker[Box | None]
"""Tracker of one target; `update` returns its box, or None where it is lost."""


class TrackerFactory(Protocol):
    """Makes trackers of one kind; it can be pickled and compared."""

    @property
    def name(self) -> str:
        """Name of the tracker in tables, and of its results folder."""
        ...

    @property
    def spec(self) -> str:
        """Specification as it was given."""
        ...

    @property
    def deterministic(self) -> bool:
        """Finds the same boxes in every run."""
        ...

    @property
    def card(self) -> dict[str, Any] | None:
        """The model card of a model of siamtrack, as plain values."""
        ...

    @property
    def digest(self) -> str | None:
        """SHA-256 of the tracker's files; None where it has none, or they are not known."""
        ...

    @property
    def precision(self) -> str | None:
        """Precision of a model of siamtrack; None for other trackers."""
        ...

    @property
    def device(self) -> str | None:
        """Device of a model of siamtrack; None for other trackers."""
        ...

    def make(self) -> BoxTracker:
        """Return a tracker.

        Raises:
            SiamTrackError: when it cannot be had here.
        """
        ...


@dataclass(frozen=True)
class ModelFactory:
    """A model of siamtrack, on one thread."""

    name: str
    spec: str
    device: str
    precision: Precision | Literal["auto"]
    deterministic: bool = True

    @property
    def card(self) -> dict[str, Any] | None:
        """Card of the weights file; None for an exported model."""
        from siamtrack.models.weights import read_card  # noqa: PLC0415 - a model's own libraries, for models only

        path = find_model(self.spec)
        return None if path.is_dir() else read_card(path).model_dump(mode="json")

    @property
    def digest(self) -> str | None:
        """Digest of the weights file, or of the files of an exported model."""
        return _digest(find_model(self.spec))

    def make(self) -> BoxTracker:
        """Load it."""
        return _Model(self.load())

    def load(self) -> Tracker:
        """Return the tracker itself, of which more can be asked.

        Raises:
            SiamTrackError: when it cannot be had here.
        """
        from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: two seconds that other trackers spare

        return load(self.spec, device=self.device, precision=self.precision, threads=1, runtime="torch", autotune=True)


class _Model:
    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self._tracker.init(frame, trackable_box(box, frame.shape[1], frame.shape[0]))

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        return self._tracker.update(frame).box


@dataclass(frozen=True)
class PeerFactory:
    """A tracker of OpenCV."""

    name: str
    spec: str
    deterministic: bool
    card: None = None
    precision: None = None
    device: None = None

    @property
    def digest(self) -> str | None:
        """Digest of its ONNX files."""
        _, _, place = self.spec.partition("=")
        return _digest(Path(place)) if place else None

    def make(self) -> BoxTracker:
        """Find it in the installed OpenCV."""
        return Peer(self.spec)


@dataclass(frozen=True)
class ClassFactory:
    """A `got10k.trackers.Tracker`, made without arguments."""

    name: str
    spec: str
    deterministic: bool
    card: None = None
    digest: None = None
    precision: None = None
    device: None = None

    def make(self) -> BoxTracker:
        """Import its module and make one."""
        return _ToolkitTracker(make_toolkit_tracker(self.spec))


class _ToolkitTracker:
    """Hands over what the GOT-10k toolkit does: PIL images in RGB, and boxes whose first pixel is 1."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self._tracker.init(_to_pil(frame), np.array(box.to_one_based()))

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        x, y, width, height = (float(value) for value in self._tracker.update(_to_pil(frame)))
        return Box.from_one_based(x, y, width, height)


def _to_pil(frame: NDArray[np.uint8]) -> Any:
    from PIL import Image  # noqa: PLC0415 - only trackers of the toolkit want it

    return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def make_toolkit_tracker(spec: str) -> Any:
    """Make a `got10k.trackers.Tracker` from `module:Class`; a function that returns one is as good.

    Raises:
        UsageError: when there is no such module or class, it needs arguments, or it is something else.
    """
    from got10k.trackers import Tracker as Base  # noqa: PLC0415 - pulls in matplotlib: only for those who ask

    module_name, _, attribute = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"'{spec}': there is no module '{error.name}': install it, or name its folder in PYTHONPATH"
        ) from error
    if not callable(getattr(module, attribute, None)):
        raise UsageError(f"'{spec}': the module '{module_name}' has no class '{attribute}'")
    try:
        tracker = getattr(module, attribute)()
    except TypeError as error:
        raise UsageError(f"'{spec}' cannot be made without arguments: {error}") from error
    if not isinstance(tracker, Base):
        raise UsageError(f"'{spec}' gives a {type(tracker).__name__}, a got10k.trackers.Tracker is needed")
    return tracker


def parse_tracker(
    text: str, device: str = "auto", precision: Precision | Literal["auto"] = "float32"
) -> TrackerFactory:
    """Read a tracker typed as `SPEC` or `NAME@SPEC`.

    The name is that of its results folder. Without one it is the model's, the file's or the toolkit tracker's own, and
    `opencv-kcf` for `opencv:kcf`. A path with an `@` and no folder before it is typed as `./a@b.safetensors`.

    Args:
        text: as typed.
        device: where models of siamtrack run.
        precision: what models of siamtrack compute in; `auto` depends on the machine, so that another one may find
            other boxes.

    Raises:
        UsageError: when there is no such tracker here; the message says what a spec may be.
        WeightsError: when a weights file is damaged.
    """
    match = _NAMED.fullmatch(text)
    name, spec = (match["name"], match["spec"]) if match else (None, text)
    if spec.startswith("opencv:"):
        kind, _, place = spec.partition("=")
        spec = f"{kind}={_whole(place)}" if place else spec
        peer = Peer(spec)  # tells here, not in a process far away, that it cannot be had
        return PeerFactory(name or _safe(kind), spec, peer.deterministic)
    if spec not in list_models() and not Path(spec).exists() and _CLASS.fullmatch(spec):
        tracker = make_toolkit_tracker(spec)
        return ClassFactory(name or _safe(tracker.name), spec, bool(tracker.is_deterministic))
    try:
        path = find_model(spec)
    except UsageError as error:
        raise UsageError(f"{error}; a tracker is {FORMS}, with NAME@ before it to name its results") from error
    spec = spec if spec in list_models() else _whole(spec)
    factory = ModelFactory(name or _safe(path.name if path.is_dir() else path.stem), spec, device, precision)
    _ = factory.card  # raises for a damaged file
    return factory


def parse_trackers(
    texts: Sequence[str], device: str = "auto", precision: Precision | Literal["auto"] = "float32"
) -> tuple[TrackerFactory, ...]:
    """Read several trackers; arguments see `parse_tracker`.

    Raises:
        UsageError: see `parse_tracker`, and when two of them have one name.
        WeightsError: see `parse_tracker`.
    """
    factories = tuple(parse_tracker(text, device, precision) for text in texts)
    names = [factory.name for factory in factories]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two trackers are called '{twice}': name one of them, --tracker NAME@SPEC")
    return factories


def _whole(path: str) -> str:
    """Return a path that means the same in processes with another current folder."""
    return str(Path(path).expanduser().resolve())


def _safe(name: str) -> str:
    """Return a name that can be a folder everywhere."""
    return re.sub(r"[^\w.+-]+", "-", name, flags=re.ASCII).lstrip(".-") or "tracker"


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and digests of the files in a folder."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        return hashlib.sha256("".join(f"{each.name} {_digest(each)}\n" for each in files).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
