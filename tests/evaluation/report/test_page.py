"""The page holds everything, asks for nothing, and survives odd names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from math import nan

import pytest
from made_up import BAD, GOOD, NO_FIGURES, picture, report, run_record, tracker_score

from siamtrack.evaluation.report.page import render_page
from siamtrack.evaluation.scores import Comparison

VOID = {"meta", "link", "img", "input", "br"}
ODD = '<script>alert(1)</script> & "quotes" \''


class Checked(HTMLParser):
    """Every element is closed in its turn; attributes and texts are kept."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def parse(page: str) -> Checked:
    checked = Checked()
    checked.feed(page)
    checked.close()
    assert checked.open == []
    return checked


def test_nothing_is_fetched() -> None:
    checked = parse(render_page(report()))
    for tag, attributes in checked.tags:
        for name in ("src", "href", "srcset", "poster", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    (policy,) = (a["content"] for _, a in checked.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    bare = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", render_page(report()))
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", bare)


def test_odd_names_are_shown_as_they_are_and_run_nothing() -> None:
    made = report(
        trackers=[ODD, "bad"],
        sequences=[ODD],
        notes=(ODD,),
        dataset=ODD,
        records={ODD: run_record(ODD, command=ODD, card={ODD: ODD})},
    )
    page = render_page(made)
    checked = parse(page)
    assert [tag for tag, _ in checked.tags].count("script") == 1  # our own
    assert ODD in checked.texts
    assert ODD in [attributes.get("data-name") for _, attributes in checked.tags]
    assert "<script>alert" not in page


def test_every_plot_is_well_formed() -> None:
    made = report()
    svgs = re.findall(r"<svg.*?</svg>", render_page(made), re.DOTALL)
    plots = [svg for svg in svgs if 'class="plot"' in svg]
    assert len(plots) == 4 + len(made.sequences)
    for svg in svgs:
        ET.fromstring(svg)


def test_everything_is_there() -> None:
    checked = parse(render_page(report()))
    ids = {attributes["id"] for _, attributes in checked.tags if "id" in attributes}
    assert {"summary", "plots", "sequences", "attributes", "failures", "pairs", "origin", "sequence-1"} <= ids
    for text in (
        "siamtrack report results --out report",
        "siamtrack benchmark OTB --tracker siamtrack-lite",
        "cpu a processor, cores 2",
        "card.tracking.scales",
        "sequence one: 3 frames without a box",
        "no record of how its results came about",  # of the other tracker
        "has no overlap in 2 scored frames",
    ):
        assert any(text in each for each in checked.texts), text
    assert sum(tag == "img" for tag, _ in checked.tags) == 2 * 2 + 2


def test_what_is_not_there_is_left_out() -> None:
    made = report(
        scores=(tracker_score("alone", {"one": GOOD}, None),),
        strips={},
        failures=(),
        records={},
        notes=(),
    )
    checked = parse(render_page(made))
    ids = {attributes.get("id") for _, attributes in checked.tags}
    assert not {"attributes", "failures", "pairs"} & ids
    assert not any(tag == "img" for tag, _ in checked.tags)


def test_how_a_model_decided_stands_with_the_moment() -> None:
    made = report()
    explained = (replace(made.failures[0], explanation=picture(7)), *made.failures[1:])
    checked = parse(render_page(replace(made, failures=explained)))
    (image,) = [found for tag, found in checked.tags if tag == "img" and "exemplar" in (found.get("alt") or "")]
    assert image["src"] == picture(7).source
    assert any("how frame 7 was decided" in text for text in checked.texts)


def test_the_best_is_bold() -> None:
    page = render_page(report())
    summary = page[page.index('id="summary-table"') : page.index('id="plots"')]
    assert "<b>0.850</b>" in summary
    assert "<b>0.350</b>" not in summary
    assert summary.count("<b>25.0</b>") == 2  # both are as fast


def test_intervals_are_beside_their_figures() -> None:
    assert "<small>0.800 to 0.890</small>" in render_page(report())


def test_trackers_without_figures() -> None:
    nothing = tracker_score("none", {"one": [nan] * 4}, None, figures=NO_FIGURES, interval={})
    parse(render_page(report(scores=(tracker_score("good", {"one": GOOD}), nothing))))


@pytest.mark.parametrize("interval", [(nan, nan), (0.0, 0.0)])
def test_comparisons_that_say_nothing(interval: tuple[float, float]) -> None:
    pair = Comparison("good", "bad", "ao", interval[0], interval, 0, 0, 1.0)
    parse(render_page(report(comparisons=(pair,))))


def test_sequences_are_shown_by_number_whatever_the_order_of_scores() -> None:
    made = report(sequences=["zebra", "ant"])
    checked = parse(render_page(made))
    panels = [attributes.get("data-name") for tag, attributes in checked.tags if tag == "template"]
    assert panels == ["zebra", "ant"]
    assert made.scores[1].sequences[0].figures.ao == pytest.approx(sum(BAD) / len(BAD))
