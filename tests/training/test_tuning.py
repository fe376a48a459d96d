"""The search for tracking settings: what is searched, what is written, and that the first trial is what there was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siamtrack.config import OnlineFilterSettings, TrackingSettings
from siamtrack.errors import DataError, OutputError, UsageError
from siamtrack.models.cards import ModelCard
from siamtrack.models.registry import create_network
from siamtrack.models.weights import load_network, save_network
from siamtrack.system.progress import Progress
from siamtrack.training.tuning import (
    BOX_SPANS,
    FILTER_SPANS,
    SEARCH_SPANS,
    TuningJob,
    read_setting,
    run_tuning,
    spans_for,
    with_settings,
)

ADAPTING = TrackingSettings(scale_search="exemplar", online_filter=OnlineFilterSettings(learning_rate=0.5))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "plain.safetensors"
    figures = {"elsewhere": {"AO": 0.5}}
    card = ModelCard(name="plain", architecture="lite0", tracking=ADAPTING, figures=figures)
    network = create_network("lite0")
    network.initialize(torch.Generator().manual_seed(0))
    save_network(path, network, card)
    return path


def test_only_what_has_an_effect_is_searched() -> None:
    lite, box = create_network("lite0"), create_network("lite0_box")
    names = set(SEARCH_SPANS)
    assert set(spans_for(lite, TrackingSettings())) == names
    assert set(spans_for(box, TrackingSettings())) == names | set(BOX_SPANS)
    assert set(spans_for(lite, ADAPTING)) == names | {f"online_filter.{name}" for name in FILTER_SPANS}


def test_every_end_of_every_span_is_a_possible_setting() -> None:
    spans = spans_for(create_network("lite0_box"), ADAPTING)
    for name, span in spans.items():
        for value in span:
            assert read_setting(with_settings(ADAPTING, {name: value}), name) == value


def test_a_present_value_beyond_its_span_can_be_tried() -> None:
    low, high = spans_for(create_network("lite0"), ADAPTING)["online_filter.learning_rate"]
    assert (low, high) == (FILTER_SPANS["learning_rate"][0], 0.5)


def test_replacing_a_setting_leaves_the_others(model: Path) -> None:
    changed = with_settings(ADAPTING, {"window_influence": 0.3, "online_filter.learning_rate": 0.02})
    assert changed.online_filter == OnlineFilterSettings(learning_rate=0.02)
    assert changed == ADAPTING.model_copy(update={"window_influence": 0.3, "online_filter": changed.online_filter})


def test_the_same_weights_are_written_with_the_best_settings(model: Path, training_folder: Path) -> None:
    reports: list[Progress] = []
    output = model.with_name("tuned.safetensors")
    job = TuningJob(str(model), training_folder, output, trials=3, frames=0, threads=1)
    summary = run_tuning(job, reports.append)
    before, after = load_network(model), load_network(output)
    for name, tensor in before[0].state_dict().items():
        assert torch.equal(tensor, after[0].state_dict()[name]), name
    assert after[1].tracking == summary.settings
    assert list(after[1].figures) == ["tuning"]  # what was measured with other settings is gone
    assert summary.tracks == (1, 1)
    assert [(each.done, each.total) for each in reports] == [(1, 3), (2, 3), (3, 3)]
    first, best = summary.searched
    assert all(f"average overlap {first:.3f} at first" in each.figures for each in reports)
    assert f"{best:.3f} at best" in reports[-1].figures
    assert best >= first


def test_settings_that_are_not_better_change_nothing(model: Path, training_folder: Path) -> None:
    output = model.with_name("tuned.safetensors")
    summary = run_tuning(TuningJob(str(model), training_folder, output, trials=1, frames=0, threads=1))
    assert summary.settings == ADAPTING
    assert summary.judged[0] == summary.judged[1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"minutes": 0.0}, UsageError, "no time to search"),
        ({"output": Path("tuned.pt")}, UsageError, "ends in .safetensors"),
        ({"output": Path("nowhere/tuned.safetensors")}, OutputError, "nowhere does not exist"),
        ({"model": "siamtrack-lit"}, UsageError, "did you mean 'siamtrack-lite'"),
        ({"data": Path("nowhere")}, DataError, "nowhere does not exist"),
    ],
)
def test_bad_input_is_refused_before_any_search(
    model: Path, training_folder: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"model": str(model), "data": training_folder, "output": model.with_name("t.safetensors")} | change
    with pytest.raises(error, match=message):
        run_tuning(TuningJob(**arguments))  # type: ignore[arg-type]


def test_one_track_cannot_be_searched_and_judge(model: Path, training_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "few" / "clips").mkdir(parents=True)
    (tmp_path / "few" / "clips" / "airplane").symlink_to(training_folder / "clips" / "airplane")
    with pytest.raises(DataError, match="holds 1 tracks"):
        run_tuning(TuningJob(str(model), tmp_path / "few", model.with_name("t.safetensors")))
