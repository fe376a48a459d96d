"""Which precision and how many threads are taken, with backends whose speed and answers are made up."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from siamtrack.config import Precision
from siamtrack.errors import UsageError
from siamtrack.models.network import BoxNetwork
from siamtrack.runtime import autotune
from siamtrack.runtime.autotune import agree, choose, fastest, fastest_threads, probe, respond, torch_precisions
from siamtrack.runtime.base import Backend, Embedding
from siamtrack.runtime.measurement_cache import Measurements
from siamtrack.runtime.pytorch import TorchBackend

Costs = dict[Precision, float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands still but for what is put on it."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def maker(
    network: BoxNetwork, clock: Callable[[float], None], costs: Costs, off: float = 0.0
) -> Callable[[Precision], Backend]:
    """Backends that take their time; what is not float32 answers `off` too much of the map's range in one cell."""

    def make(precision: Precision) -> Backend:
        backend = TorchBackend(network)
        backend.precision = precision
        embed, correlate = backend.embed, backend.correlate

        def slow(images: torch.Tensor) -> object:
            clock(costs[precision])
            return embed(images)

        def wrong(kernels: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
            maps = correlate(kernels, features).clone()
            if precision != "float32":
                maps[..., 0, 0] += off * (maps.max() - maps.min())
            return maps

        backend.embed, backend.correlate = slow, wrong  # type: ignore[method-assign, assignment]
        return backend

    return make


def test_the_fastest_that_answers_the_same_is_taken(network: BoxNetwork, clock: Callable[[float], None]) -> None:
    known: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
    costs: Costs = {"float32": 0.3, "bfloat16": 0.2, "float16": 0.25}
    assert fastest(maker(network, clock, costs), known).precision == "bfloat16"
    assert fastest(maker(network, clock, costs, off=0.01), known).precision == "bfloat16"
    assert fastest(maker(network, clock, costs, off=0.2), known).precision == "float32"
    assert fastest(maker(network, clock, {**costs, "float32": 0.1}), known).precision == "float32"


def test_a_wanted_precision_is_not_measured(network: BoxNetwork, clock: Callable[[float], None]) -> None:
    make = maker(network, clock, {"float32": 0.1, "bfloat16": 9.0})
    assert choose(make, ("float32", "bfloat16"), "bfloat16", "cpu").precision == "bfloat16"
    assert choose(make, ("float32", "bfloat16"), "auto", "cpu").precision == "float32"


def test_the_fastest_is_measured_once(network: BoxNetwork, clock: Callable[[float], None], tmp_path: Path) -> None:
    known: tuple[Precision, ...] = ("float32", "bfloat16")
    measurements = Measurements(tmp_path)
    made: list[Precision] = []

    def chosen(costs: Costs, threads: int) -> Precision:
        made.clear()
        make = maker(network, clock, costs)
        counted: Callable[[Precision], Backend] = lambda each: (made.append(each), make(each))[1]  # noqa: E731
        return choose(counted, known, "auto", "cpu", measurements, threads).precision

    assert (chosen({"float32": 0.3, "bfloat16": 0.1}, 2), made) == ("bfloat16", ["float32", "bfloat16"])
    assert (chosen({"float32": 0.1, "bfloat16": 0.3}, 2), made) == ("bfloat16", ["bfloat16"])
    # For another number of threads another one may be the fastest.
    assert (chosen({"float32": 0.1, "bfloat16": 0.3}, 1), made) == ("float32", ["float32", "bfloat16"])


def test_a_precision_that_does_not_exist(network: BoxNetwork) -> None:
    with pytest.raises(UsageError, match=r"precision 'float16' does not exist on 'cpu' here \(known: auto, float32\)"):
        choose(lambda precision: TorchBackend(network), ("float32",), "float16", "cpu")


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [
        pytest.param({1: 6.0, 2: 3.0, 3: 2.0, 4: 2.5, 6: 4.0}, 3, id="more wait for each other"),
        pytest.param({1: 6.0, 2: 3.0, 3: 2.1, 4: 1.9, 6: 2.0}, 3, id="more are hardly faster"),
        pytest.param({1: 6.0, 2: 5.4, 3: 5.3, 4: 5.5, 6: 5.8}, 1, id="one is as good"),
    ],
)
def test_fastest_threads_measures_and_puts_the_number_back(
    network: BoxNetwork,
    clock: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    costs: dict[int, float],
    chosen: int,
) -> None:
    monkeypatch.setattr(autotune, "usable_cores", lambda: 6)
    threads = [7]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    backend = TorchBackend(network)
    embed = backend.embed

    def embed_slowly(images: torch.Tensor) -> Embedding:
        count = threads[-1]
        busy = count == chosen and threads.count(count) > 4  # after two turns something else runs
        clock(costs[count] * (5 if busy else 1))
        return embed(images)

    monkeypatch.setattr(backend, "embed", embed_slowly)
    assert fastest_threads(backend) == chosen
    turn = [count for count in (1, 2, 3, 4, 6) for _ in range(2)]  # the first of two passes wakes the threads up
    assert threads == [7, *(number for count in autotune.PASSES * turn for number in (count, 7))]


def test_on_one_core_there_is_nothing_to_measure(network: BoxNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "usable_cores", lambda: 1)
    monkeypatch.setattr(autotune, "fastest_passes", lambda *_: pytest.fail("it was measured"))
    assert fastest_threads(TorchBackend(network)) == 1


def test_a_response_that_is_not_a_number_is_refused() -> None:
    reference = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    assert agree(reference, reference + 0.01)
    assert not agree(reference, reference * float("nan"))
    for row, column in itertools.product((0, 4), (0, 4)):
        other = reference.clone()
        other[row, column] += 0.2
        assert not agree(reference, other)


def test_the_probe_is_found_where_it_was_cut(network: BoxNetwork) -> None:
    backend = TorchBackend(network)
    exemplar, search = probe(backend)
    np.testing.assert_array_equal(probe(backend)[1], search)
    found = respond(backend, exemplar, search)
    assert divmod(int(found.argmax()), found.shape[1]) == (12, 12)


def test_precisions_of_a_device() -> None:
    assert torch_precisions(torch.device("cpu"))[0] == "float32"
    assert torch_precisions(torch.device("cuda")) == ("float32", "float16")
