"""The pages of `make ui` and `make demo` as a person meets them: in Debian's Chromium."""

import os
import shutil
import signal
import subprocess
import sys
from http.client import HTTPConnection

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.support.ui import WebDriverWait

from seqapps import app as contract
from tests.serving.test_server import free_port

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="no Chromium here: apt-get install chromium chromium-driver",
    ),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1500,1400",
)  # fmt: skip
SECONDS = 180


class Page:
    """A browser's window, with waits for what a person would look for."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        self.driver.get("about:blank")  # a page whose address differs after the # is not reloaded
        self.driver.get(address)

    def find(self, xpath):
        """The first element that is shown, as soon as there is one."""

        def shown(driver):
            found = driver.find_elements("xpath", xpath)
            return next((element for element in found if element.is_displayed()), None)

        return self.wait(shown, f"no {xpath}")

    def wait(self, claim, message):
        """What the claim about the driver comes to, as soon as it holds."""
        waiting = WebDriverWait(self.driver, SECONDS, 0.3, [StaleElementReferenceException])
        return waiting.until(claim, message)

    def click(self, text):
        self.find(f"//button[contains(., '{text}')]").click()

    def notes(self):
        """What stands in the boxes of text that are shown."""
        boxes = self.driver.find_elements("xpath", "//textarea")
        return [box.get_attribute("value") for box in boxes if box.is_displayed()]

    def foreign(self):
        """Addresses of other machines that the page has asked for."""
        code = "return performance.getEntriesByType('resource').map(entry => entry.name)"
        return [name for name in self.driver.execute_script(code) if "127.0.0.1" not in name]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield Page(driver)
    driver.quit()


class Running:
    """A command that serves a page on a port, from its first answer to its end."""

    def __init__(self, command, folder, port, **environment):
        self.port = port
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MLFLOW"))}
        self.process = subprocess.Popen(command, cwd=folder, env=kept | environment)

    def wait(self, page):
        """Opens its page once it answers."""

        def answered(driver):
            assert self.process.poll() is None
            page.open(f"http://127.0.0.1:{self.port}/")
            return True

        WebDriverWait(page.driver, SECONDS, 0.5, [WebDriverException]).until(answered)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def answers(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def toy(ran, repository):
    """A project of the toy application, and the environment in which its commands run."""
    (ran / ".venv-serve").symlink_to(repository / ".venv-serve")
    return ran, {"PYTHONPATH": str(repository)}


def test_a_run_shows_its_headline_interval_and_a_picture(toy, page):
    project, environment = toy
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlruns/mlflow.db"}
    # What was made without a tracking server is logged from its files.
    subprocess.run(
        [sys.executable, "-m", "tests.toy"], cwd=project, env=os.environ | environment, check=True
    )
    port = free_port()
    command = [sys.executable, "-m", "seqapps", "ui", "--port", str(port)]
    ui = Running(command, project, port, **environment)
    try:
        ui.wait(page)
        page.open(f"http://127.0.0.1:{port}/#/experiments/1/runs")
        page.find("//a[contains(., 'toy-smoke')]").click()
        page.find("//strong[starts-with(., 'mse ')]")
        page.find("//*[contains(text(), 'Baselines: constant')]")
        for metric in ("mse", "mse.low95", "mse.high95", "baselines.constant.mse"):
            page.find(f"//*[text()='{metric}']")
        run = page.driver.current_url.split("?")[0]
        page.open(f"{run}/artifacts/figures/learning_curves.png")
        picture = page.find("//img[contains(@src, 'blob:') or contains(@src, 'learning_curves')]")
        assert picture.size["width"] > 100
    finally:
        ui.stop()
    assert answers(port) is None


def test_the_page_answers_text_and_says_mistakes_in_a_sentence(toy, page):
    project, environment = toy
    port, serve_port = free_port(), free_port()
    command = [sys.executable, "-m", "tests.toy.demo", str(port), str(serve_port)]
    demo = Running(command, project, port, **environment)
    try:
        demo.wait(page)
        page.click("Ask the model")
        said = "nothing was given. Give runs of numbers, one a line."
        page.wait(lambda _: said in page.notes(), "no note")
        page.find("//textarea").send_keys("1 2 3")
        page.click("Ask the model")
        page.find("//a[contains(@download, 'means.csv')]")
        assert page.notes() == ["1 2 3"]
        page.click("Try an example")
        page.wait(lambda _: page.notes() != ["1 2 3"], "no example")
        assert page.foreign() == []
        assert answers(serve_port) == 200
    finally:
        assert demo.stop() == 0
    assert answers(port) is None and answers(serve_port) is None


def test_make_demo_answers_an_example_of_every_application(made, page):
    port, serve_port = free_port(), free_port()
    words = ["make", "demo", "PROFILE=smoke", f"PORT={port}", f"SERVE_PORT={serve_port}"]
    demo = Running(words, made.path, port)
    try:
        demo.wait(page)
        for name in contract.names():
            title = contract.load(name).title
            page.find(f'//button[@role="tab"][contains(., "{title}")]').click()
            page.click("Try an example")
            page.find("//*[contains(@class, 'answers')]//a[@download]")
        assert page.foreign() == []
    finally:
        demo.stop()
