"""The page in a real browser: Debian's chromium and chromium-driver."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up import picture, report, tracker_score
from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from siamtrack.evaluation.report.page import render_page
from siamtrack.evaluation.scores import TrackerScore

ODD = "</script><b>&\"'"
SEQUENCES = ["Coke", "Deer", ODD, *(f"sequence {number}" for number in range(12))]
TRACKERS = {"siamtrack-lite": 0.9, "opencv-csrt": 0.5, ODD: 0.7}


def made_up_scores() -> list[TrackerScore]:
    """Every tracker keeps its level, a little less in each sequence."""
    return [
        tracker_score(name, {each: [1.0, level, level - 0.02 * number, 0.0] for number, each in enumerate(SEQUENCES)})
        for name, level in TRACKERS.items()
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    driver = shutil.which("chromedriver")
    if driver is None or shutil.which("chromium") is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    strips = {name: (picture(0), picture(3)) for name in SEQUENCES}
    made = report(scores=made_up_scores(), strips=strips)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_page(made), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Chrome, file: Path) -> Iterator[Chrome]:
    """The page, opened afresh; afterwards there must be no complaint in the console, and no request to anywhere."""
    browser.get_log("performance")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(file.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file:", "data:")) for url in asked)


def find(page: Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def first_column(page: Chrome, table: str) -> list[str]:
    return [each.text for each in page.find_elements(By.CSS_SELECTOR, f"{table} tbody tr > :first-child")]


def test_it_opens(page: Chrome) -> None:
    assert page.title == "OTB2015: 3 trackers"
    assert first_column(page, "#summary-table") == list(TRACKERS)
    assert not find(page, "#panel").is_displayed()


def test_a_heading_sorts_by_click_and_by_key(page: Chrome) -> None:
    heading = find(page, "#summary-table th:nth-child(2)")
    button = heading.find_element(By.TAG_NAME, "button")
    assert heading.get_attribute("aria-sort") == "descending"
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert first_column(page, "#summary-table") == ["opencv-csrt", ODD, "siamtrack-lite"]
    button.send_keys(Keys.ENTER)
    assert first_column(page, "#summary-table") == ["siamtrack-lite", ODD, "opencv-csrt"]
    find(page, "#summary-table th .sort").send_keys(Keys.SPACE)
    assert first_column(page, "#summary-table") == [ODD, "opencv-csrt", "siamtrack-lite"]
    assert heading.get_attribute("aria-sort") == "none"


def test_a_sequence_opens_by_click_and_by_key(page: Chrome) -> None:
    find(page, "#sequence-table tbody tr:nth-child(2) td").click()
    assert find(page, "#panel-title").text == "Deer"
    assert len(page.find_elements(By.CSS_SELECTOR, "#panel .line")) == len(TRACKERS)
    assert len(page.find_elements(By.CSS_SELECTOR, "#panel img")) == 2
    assert page.execute_script("return document.querySelector('#panel img').complete")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert find(page, "#panel-title").text == ODD
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not find(page, "#panel").is_displayed()
    find(page, "#sequence-table .open").send_keys(Keys.ENTER)
    assert find(page, "#panel-title").text == "Coke"


def test_tables_of_a_sequence_sort_too(page: Chrome) -> None:
    find(page, "#sequence-table .open").click()
    find(page, "#panel th:nth-child(2) .sort").click()
    find(page, "#panel th:nth-child(2) .sort").click()
    assert first_column(page, "#panel table") == ["opencv-csrt", ODD, "siamtrack-lite"]


def test_a_plot_tells_its_values(page: Chrome) -> None:
    area = find(page, "#plots .area")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", area)
    ActionChains(page).move_to_element(area).perform()
    tip = find(page, "#tip")
    title, *lines = tip.text.split("\n")
    assert title == "overlap threshold 0.5"
    values = {name: float(value) for name, value in zip(lines[::2], lines[1::2], strict=True)}
    assert values == {score.tracker: pytest.approx(score.success[10], abs=5e-4) for score in made_up_scores()}
    ActionChains(page).move_to_element(find(page, "h1")).perform()
    assert not tip.is_displayed()


def test_sequences_are_found_by_name(page: Chrome) -> None:
    find(page, "#filter").send_keys("DEE")
    assert [name for name in first_column(page, "#sequence-table") if name] == ["Deer"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_is_read_on_paper(page: Chrome, scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    ink, paper = page.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
        ".map((color) => color.match(/\\d+/g).map(Number).reduce((a, b) => a + b))"
    )
    dark, light = (ink, paper) if scheme == "light" else (paper, ink)
    assert dark < 200
    assert light > 600


def test_a_phone_needs_no_scrolling_sideways(page: Chrome) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    page.refresh()
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    find(page, "#sequence-table .open").click()
    assert page.execute_script("return document.getElementById('panel').scrollWidth") <= 390
