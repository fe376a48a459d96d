"""The page in a real browser, with a clip in place of its camera: Debian's chromium and chromium-driver."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filmed import FRAMES, Film, number_of
from running_server import running
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from siamtrack.boxes import iou
from siamtrack.io.frames import Frame
from siamtrack.io.results import Row
from siamtrack.io.sources import open_source
from siamtrack.live.server.app import Service
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.security import Access
from siamtrack.live.server.session import Session
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker

PATIENCE = 20.0
"""Seconds that a busy machine may take for one step."""

MEASURED, WANTED = 20.0, 12.0
"""Seconds of the benchmark, and the least number of boxes a second in it."""

Numbers = dict[int, int]
"""Which frame of the film each frame of the session shows."""


@pytest.fixture(scope="module")
def film() -> Film:
    return Film()


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return load("siamtrack-lite", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, film: Film, downloads: Path) -> Iterator[Chrome]:
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    clip = tmp_path_factory.mktemp("film") / "film.y4m"
    film.write(clip)
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1280,900",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Driver(driver))
    yield chrome
    chrome.quit()


class Site:
    """A server that can be restarted, and the frames that it was sent."""

    def __init__(self, tracker: Tracker) -> None:
        self.numbers: Numbers = {}
        self._service = Service(
            tracker=tracker, access=Access("127.0.0.1"), limits=Limits(upload=1), model="siamtrack-lite"
        )
        self._stack = ExitStack()
        self.port = self._stack.enter_context(running(self._service))

    def restart(self) -> None:
        self._stack.close()
        self._stack.enter_context(running(self._service, self.port))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def site(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site(tracker)
    see, begin = Session.see, Session.begin

    async def noted(self: Session, frame: Frame) -> list[Row]:
        if frame.image is not None:
            made.numbers[frame.index] = number_of(frame.image)
        return await see(self, frame)

    async def begun(self: Session, *arguments: Any) -> None:
        made.numbers.clear()
        await begin(self, *arguments)

    monkeypatch.setattr(Session, "see", noted)
    monkeypatch.setattr(Session, "begin", begun)
    yield made
    made.close()


class LivePage:
    """What somebody does with the page."""

    def __init__(self, browser: Chrome, site: Site, film: Film) -> None:
        self.browser = browser
        self.site = site
        self.film = film

    def listen(self) -> None:
        """Keep all messages with boxes that the page shows from now on."""
        self.browser.execute_script(
            "window.received = []; document.addEventListener('siamtrack:boxes', (e) => received.push(e.detail))"
        )

    @property
    def received(self) -> list[dict[str, Any]]:
        return list(self.browser.execute_script("return window.received"))

    def find(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def wait(self, what: Callable[[], Any]) -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if got := what():
                return got
            time.sleep(0.05)
        raise AssertionError(f"nothing came of it; the page says: {self.find('hint').text}")

    def wait_for_frames(self, count: int) -> list[dict[str, Any]]:
        """That many more messages with boxes."""
        had = len(self.received)
        return list(self.wait(lambda: len(got := self.received) >= had + count and got[had:]))

    def press_pause(self) -> None:
        self.find("pause").click()

    def pause(self) -> None:
        """Press the button, and wait for the frames that are on their way."""
        self.press_pause()

        def quiet() -> bool:
            before = len(self.received)
            time.sleep(0.4)
            now = self.received
            return len(now) == before and now[-1]["frame"] == max(self.site.numbers)

        self.wait(quiet)

    def truth(self) -> tuple[float, float, float, float]:
        """Where the target is in the picture that is shown."""
        frame = self.browser.execute_script("return received.at(-1).frame")
        return self.film.boxes[self.site.numbers[frame]]

    def drag(self, box: tuple[float, float, float, float], kind: str = "mouse") -> None:
        """Draw a box in pixels of the picture."""
        canvas = self.find("canvas")
        width, height = canvas.rect["width"], canvas.rect["height"]
        scale = width / self.film.size[0]
        x, y, w, h = (value * scale for value in box)
        chain = ActionChains(self.browser, duration=30, devices=[PointerInput(kind, kind)])
        chain.w3c_actions.pointer_action.move_to(canvas, int(x - width / 2), int(y - height / 2)).pointer_down()
        chain.w3c_actions.pointer_action.move_to(canvas, int(x + w / 2 - width / 2), int(y + h / 2 - height / 2))
        chain.w3c_actions.pointer_action.move_to(canvas, int(x + w - width / 2), int(y + h - height / 2)).pointer_up()
        chain.perform()

    def follow(self, kind: str = "mouse") -> list[dict[str, Any]]:
        """Pause, draw the target, go on; the next messages."""
        self.wait_for_frames(2)
        self.pause()
        self.drag(self.truth(), kind)
        self.wait(lambda: self.browser.find_elements(By.CSS_SELECTOR, "#targets li"))
        self.press_pause()
        return self.wait_for_frames(15)

    def overlaps(self, messages: list[dict[str, Any]]) -> list[float]:
        """Of each box that was received with the truth of the frame that it belongs to."""
        boxes = np.array([message["targets"][0]["box"] for message in messages if message["targets"]])
        truth = np.array([self.film.boxes[self.site.numbers[each["frame"]]] for each in messages if each["targets"]])
        assert len(boxes)
        return list(iou(boxes, truth))


@pytest.fixture
def page(browser: Chrome, site: Site, film: Film) -> Iterator[LivePage]:
    """The page, opened afresh; it must ask nobody else for anything."""
    browser.get_log("performance")
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(f"http://127.0.0.1:{site.port}/")
    made = LivePage(browser, site, film)
    made.listen()
    made.wait(lambda: made.find("webcam").is_enabled())
    yield made
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((f"http://127.0.0.1:{site.port}/", "blob:", "data:")) for url in asked)
    browser.execute_script("sessionStorage.clear()")
    browser.get("about:blank")


def test_it_follows_an_object_before_the_camera(page: LivePage, downloads: Path) -> None:
    page.find("webcam").click()
    messages = page.follow()
    overlaps = page.overlaps(messages)
    assert np.mean(overlaps) > 0.6
    assert np.min(overlaps) > 0.4
    assert page.browser.find_element(By.CSS_SELECTOR, "#targets .chip").text == "● tracked"
    assert float(page.browser.find_element(By.CSS_SELECTOR, "#targets .score span").text) > 0.3

    page.pause()
    page.find("save-csv").click()
    table = downloads / "siamtrack-boxes.csv"
    page.wait(table.exists)
    with table.open() as file:
        rows = {int(row["frame"]): row for row in csv.DictReader(file)}
    for message in messages:
        (target,) = message["targets"]
        row = rows[message["frame"]]
        assert [float(row[name]) for name in "xywh"] == pytest.approx(target["box"], abs=1e-3)
        assert (row["target"], row["status"]) == ("1", target["status"])
    page.find("save-video").click()
    video = downloads / "siamtrack-tracked.mp4"
    page.wait(video.exists)
    with open_source(video) as source:
        assert len(list(source)) > len(rows) / 2
        assert (source.info.width, source.info.height) == page.film.size
    page.find("snapshot").click()
    page.wait(lambda: list(downloads.glob("siamtrack-0*.png")))

    page.browser.find_element(By.CSS_SELECTOR, "#targets .remove").click()
    page.wait(lambda: not page.browser.find_elements(By.CSS_SELECTOR, "#targets li"))
    assert page.browser.get_log("browser") == []


@pytest.mark.soak  # the camera goes on while a box is drawn: on a busy machine the drawing comes too late
def test_it_survives_a_reload_and_a_restart_of_the_server(page: LivePage) -> None:
    page.find("webcam").click()
    page.wait_for_frames(3)
    page.browser.refresh()
    page.listen()
    assert np.mean(page.overlaps(page.follow("touch"))) > 0.6  # a finger draws as a mouse does
    assert page.browser.get_log("browser") == []
    page.site.restart()
    page.wait(lambda: page.find("line").text == "connected" and not page.find("targets").text)
    assert np.mean(page.overlaps(page.follow())) > 0.6
    # The browser itself notes each try to connect while there was no server.
    assert all("WebSocket connection" in entry["message"] for entry in page.browser.get_log("browser"))


def test_a_box_by_keyboard_a_click_and_a_file_that_is_no_video(page: LivePage, tmp_path: Path) -> None:
    page.find("webcam").click()
    page.wait_for_frames(2)
    page.pause()
    page.find("canvas").click()
    assert "drag a box" in page.find("hint").text
    page.find("canvas").send_keys("n")
    page.find("canvas").send_keys(Keys.ARROW_RIGHT, Keys.SHIFT, Keys.ARROW_UP, Keys.SHIFT, Keys.ENTER)
    page.wait(lambda: page.browser.find_elements(By.CSS_SELECTOR, "#targets li.selected"))
    page.find("canvas").send_keys("d")
    page.wait(lambda: not page.browser.find_elements(By.CSS_SELECTOR, "#targets li"))
    text = tmp_path / "notes.mp4"
    text.write_text("This is not a video.\n" * 50)
    page.find("file").send_keys(str(text))
    page.wait(lambda: "no video that is taken" in page.find("hint").text)
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(2_000_000))
    page.find("file").send_keys(str(large))
    page.wait(lambda: "this server takes 1 MB" in page.find("hint").text)
    assert page.browser.get_log("browser") == []


def test_a_phone_needs_no_scrolling_sideways(page: LivePage) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    page.find("webcam").click()
    page.wait_for_frames(1)
    assert page.browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert page.find("canvas").rect["width"] > 330


@pytest.mark.usefixtures("only_when_asked")
def test_the_page_keeps_up_with_the_browser_on_the_same_processor(page: LivePage) -> None:
    """Boxes a second at 320 x 256 pixels, of the 20 that the camera gives."""
    page.find("webcam").click()
    page.follow()
    had, began = len(page.received), time.monotonic()
    time.sleep(MEASURED)
    rate = (len(page.received) - had) / (time.monotonic() - began)
    print(f"\n{rate:.1f} boxes a second")  # noqa: T201 - a benchmark is there to be read
    assert rate >= WANTED


def test_the_film_says_its_numbers(film: Film) -> None:
    assert [number_of(frame) for frame in film.frames] == list(range(2 * FRAMES))
