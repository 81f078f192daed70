"""The demo company served by ``crm serve``, and people who look at it with Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from hatchling.builders.wheel import WheelBuilder
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

import browser as chromium
from crm_web.demo import PASSWORD

CRM = Path(sys.executable).parent / "crm"
SAMPLE = Path(__file__).parents[1] / "samples" / "crm-plugin-loyalty"
DESK, PHONE = 1280, 360
CUSTOMERS = "200"
EXPECTED = re.compile(r"the server responded with a status of (401|403|404|409|412|422|428)")
"""What a browser notes of a refusal that a journey asks for; no error of a page."""
PATIENCE = 60_000
"""Milliseconds: whoever sees what they wait for waits no longer, however busy the machine is."""
expect.set_options(timeout=PATIENCE)


@dataclass
class Site:
    """What is served.

    Attributes:
        address: Where, without a slash at the end.
        folder: Where the demo lies: commands there act on the same database.
    """

    address: str
    folder: Path
    environment: dict[str, str]

    def crm(self, *words: str) -> str:
        """Type a command on the same database, and return what it printed."""
        done = subprocess.run(
            [str(CRM), *words], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one these tests are left out, but not in CI."""
    program = chromium.path()
    if program is None:
        reason = "no Chromium: run make services"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield made
        made.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    """The demo company, served by a process of its own."""
    folder = tmp_path_factory.mktemp("served")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    environment = {
        **kept,
        "CRM_CONFIG_HOME": str(folder),
        "HOME": str(folder),
        "CRM_PLUGIN_SECONDS": str(PATIENCE // 1_000),
        "PYTHONPATH": str(installed(SAMPLE, folder)),
    }
    made = subprocess.run(
        [str(CRM), "demo", "--path", "demo", "--customers", CUSTOMERS],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    log = (folder / "serve.log").open("w+", encoding="utf-8")
    process = subprocess.Popen(
        [str(CRM), "serve", "--port", "0"],
        cwd=folder / "demo", env=environment, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = None
    while address is None:
        assert process.poll() is None, (folder / "serve.log").read_text(encoding="utf-8")
        text = (folder / "serve.log").read_text(encoding="utf-8")
        found = re.search(r"http://127\.0\.0\.1:\d+(?= )", text)  # a whole line of it
        address = found and found[0]
        if address is None:
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    yield Site(address, folder / "demo", environment)
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    log.close()
    told = (folder / "serve.log").read_text(encoding="utf-8")
    assert "Traceback" not in told, told[-5_000:]


def installed(source: Path, folder: Path) -> Path:
    """Build a plugin as its author would, and return where it is installed."""
    wheels = WheelBuilder(str(source)).build(directory=str(folder / "dist"), versions=["standard"])
    with zipfile.ZipFile(next(wheels)) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@dataclass
class Visitor:
    """Somebody at a browser: signed in, and watched for what no page may do.

    Attributes:
        page: Playwright's page.
        troubles: Console errors, scripts that broke, requests that left the site.
    """

    site: Site
    context: BrowserContext
    page: Page
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Open a page of the site, and wait until its scripts are there."""
        self.page.goto(self.site.address + path, wait_until="load")
        return self.page

    def sign_in(self, login: str, password: str = PASSWORD) -> None:
        """Sign in as people do."""
        self.open("/account/sign-in")
        self.page.fill("#login", login)
        self.page.fill("#password", password)
        self.page.press("#password", "Enter")
        self.page.wait_for_url(self.site.address + "/")

    def faults(self) -> list[str]:
        """Return what is wrong with the page that stands open."""
        page, faults = self.page, []
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                faults.append(f"{violation['id']}: {nodes}")
        wide = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.append(f"{wide} px wider than the screen")
        if page.locator("h1").count() != 1:
            faults.append("not just one heading of first rank")
        return faults

    def watched(self, page: Page) -> Page:
        """Note what goes wrong on a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("request", lambda request: self._request(request.url))
        page.on("response", lambda answer: self._answer(answer.url, answer.status))
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.search(message.text):
            self.troubles.append(f"console: {message.text} at {self.page.url}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.site.address, "data:", "blob:")):
            self.troubles.append(f"request to {url}")

    def _answer(self, url: str, status: int) -> None:
        if status >= 500:
            self.troubles.append(f"{status} from {url}")


@pytest.fixture(scope="session")
def _states() -> dict[str, dict]:
    """Cookies of those who signed in already."""
    return {}


@pytest.fixture
def visit(browser: Browser, site: Site, _states: dict) -> Iterator[Callable[..., Visitor]]:
    """Have somebody look: ``visit("eleni", width=PHONE, theme="dark", language="fa")``.

    At the end none of them may have met a console error or made a request that leaves the site.
    """
    visitors: list[Visitor] = []

    def come(
        login: str | None = None, *, width: int = DESK, theme: str = "light", language: str = "en",
        scripts: bool = True,
    ) -> Visitor:  # fmt: skip
        context = browser.new_context(
            viewport={"width": width, "height": 800 if width == DESK else 740},
            color_scheme=theme,
            reduced_motion="reduce",  # or colours are looked at while they change
            locale=language,
            java_script_enabled=scripts,
            storage_state=_states.get(login) if login else None,
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        visitor = Visitor(site, context, context.new_page())
        visitor.watched(visitor.page)
        visitors.append(visitor)
        if login and login not in _states:
            visitor.sign_in(login)
            _states[login] = context.storage_state()
        return visitor

    yield come
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.context.close()
    assert not troubles
