"""What a person sees: the arms in TensorBoard, and the report, both in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rl_decay.compare import command
from rl_decay.compare.analysis.alignment import in_returns
from rl_decay.compare.figures import plots
from rl_decay.compare.report import write
from rl_decay.compare.report.tensorboard import write_arms
from rl_decay.runs.events import EventFile
from rl_decay.runs.layout import CHARTS, FINAL_TAGS, FINISHED

pytestmark = pytest.mark.browser
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1500,1300")
# TensorBoard's pages are components with a shadow tree each: body.textContent ends at the first of them.
WORDS = """
const words = node => node.nodeType == 3 ? node.data : ["SCRIPT", "STYLE"].includes(node.nodeName) ? "" :
  [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.childNodes].map(words).join(" ");
return words(document.body).replace(/\\s+/g, " ");
"""


@dataclass
class Browser:
    """A headless Chromium; pictures go where SCREENSHOTS says, if it says so."""

    driver: Any

    def words(self) -> str:
        return self.driver.execute_script(WORDS)

    def wait_for(self, *expected: str, seconds: float = 600) -> str:
        """Wait until the page holds all of these, and return all its words."""
        end = time.monotonic() + seconds
        while missing := [word for word in expected if word not in self.words()]:
            assert time.monotonic() < end, f"{missing} not in {self.words()[:2000]}"
            time.sleep(0.2)
        return self.words()

    def open(self, url: str) -> None:
        self.driver.get("about:blank")  # a new # alone would not load the page again
        self.driver.get(url)

    def picture(self, name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            time.sleep(3)  # charts are drawn after their titles
            self.driver.save_screenshot(f"{folder}/{name}.png")


@pytest.fixture
def browser():
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def sweep(tmp_path, make_sweep):
    """A sweep with the TensorBoard files that training would have left, and with its arms."""
    folder = make_sweep(tmp_path / "sweep", seeds=6)
    comparison = command.compare([folder], command.Options())
    for run in (run for arm in comparison.arms for run in arm.runs):
        events = EventFile(run.folder)
        events.add_chart_layout(CHARTS)
        events.hparams(run.config, FINAL_TAGS, first=("schedule.actor.curve", "schedule.critic.curve", "seed"))
        for role, (steps, rates) in run.rates.items():
            for step, rate in zip(steps, rates):
                events.scalars(int(step), {f"lr/{role}": rate})
        for step, score in zip(run.steps, run.scores):
            value = in_returns(comparison, run.task, score)
            events.scalars(int(step), {"eval/return": value, "oscillation/drawdown": 0.0})
        final = in_returns(comparison, run.task, run.metrics["final"])
        events.scalars(run.total_steps, dict(zip(FINAL_TAGS, (final, run.metrics["osc_late"]))))
        events.session_end(FINISHED)
        events.flush()
    figures = plots.figures(comparison)
    write_arms(comparison, folder, figures)
    write.write(comparison, folder / "report", figures)
    return folder


@pytest.fixture
def tensorboard(sweep):
    """The address of a TensorBoard on the sweep."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(sweep), "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(3000):
        try:
            urllib.request.urlopen(url, timeout=600).close()
            break
        except OSError:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait()


def test_tensorboard_shows_arms_rates_returns_oscillation_and_hparams(tensorboard, browser, sweep):
    arms = ["arms/schedule=linear", "arms/schedule=none", "arms/report"]
    browser.open(f"{tensorboard}#timeseries")
    browser.wait_for(*arms, "linear-linear_seed0", "none-none_seed5")
    browser.picture("timeseries")

    # 12 runs and 2 arms, each with two rates in the one chart: 28 curves
    browser.open(f"{tensorboard}#custom_scalars")
    browser.wait_for("learning rate", "actor and critic", "Matches (28)", "evaluation", *CHARTS["oscillation"])
    browser.picture("custom_scalars")

    browser.open(f"{tensorboard}#images")
    browser.wait_for("arms/report", "curves", "intervals", "profiles", "seeds")
    browser.picture("images")

    browser.open(f"{tensorboard}#hparams")
    columns = ("schedule.actor.curve", "schedule.critic.curve", "final/return", "final/osc_late")
    browser.wait_for(*arms[:2], *columns, "Number of matching session groups: 14")
    browser.picture("hparams")


@pytest.mark.parametrize(("width", "name"), [(1100, "report"), (390, "report_phone")])
def test_the_report_opens_and_fits(browser, sweep, width, name):
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.open((sweep / "report" / "index.html").as_uri())
    browser.wait_for("no difference in late oscillation", "Verdict", "Figures", "How to read this", "Versions")
    sizes = "return [...document.images].map(image => [image.naturalWidth, image.getBoundingClientRect().right])"
    for natural, right in browser.driver.execute_script(sizes):
        assert natural == 1275 and right <= width
    assert len(browser.driver.find_elements("tag name", "img")) == 4
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.driver.get_log("browser") == []
    browser.picture(name)


def test_markup_in_a_name_does_not_run(browser, sweep):
    comparison = command.compare([Path(sweep)], command.Options())
    first, *others = comparison.arms
    name = "<img src=x onerror=document.title=1><script>document.title=2</script>"
    evil = replace(
        comparison,
        arms=(replace(first, name=name), *others),
        estimates={**comparison.estimates, name: comparison.estimates[first.name]},
        curves={**comparison.curves, name: comparison.curves[first.name]},
        across={**comparison.across, name: comparison.across[first.name]},
    )
    browser.open(write.write(evil, sweep / "evil", plots.figures(evil))[0].as_uri())
    assert browser.driver.title.startswith("Learning-rate schedules on")
    assert name in browser.words()
