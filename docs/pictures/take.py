"""Take the pictures of the documents from a demo of their own: make screenshots."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1] / "tests" / "services"))
import browser  # noqa: E402

CRM = str(Path(sys.executable).parent / "crm")
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
PICTURES = (
    # file, login, language, theme, screen, page
    ("home.png", "eleni", "en", "light", DESK, "home"),
    ("list.png", "alice", "en", "light", DESK, "customers"),
    ("card.png", "alice", "en", "light", DESK, "has overdue invoices"),
    ("card-dark.png", "alice", "en", "dark", DESK, "the best customer"),
    ("card-persian.png", "maryam", "fa", "light", PHONE, "in Persian"),
    ("sync.png", "demo", "en", "light", DESK, "sync"),
)
PATHS = {"home": "/", "customers": "/customers", "sync": "/sync"}


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Serve a demo; say where, with which password, and which customers are worth a look."""
    path = str(folder / "demo")
    made = subprocess.run(
        [CRM, "demo", "--path", path, "--json"], stdout=subprocess.PIPE, check=True
    )
    picked = {each["what"]: each["id"] for each in json.loads(made.stdout)["data"]["items"]}
    process = subprocess.Popen(
        [CRM, "serve", "--demo", "--path", path, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = ""
    for line in process.stdout or ():
        told += line
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        password = re.search("“(.*?)”", told)
        if address and password:
            try:
                yield address[0], password[1], picked
            finally:
                process.terminate()
                process.wait(60)
            return
    raise SystemExit(told)


def main() -> None:
    """Take them all."""
    program = browser.path()
    if program is None:
        raise SystemExit("no Chromium: run make services")
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder)) as (address, password, picked),
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for file, login, language, theme, screen, name in PICTURES:
            context = chromium.new_context(viewport=screen, locale=language, color_scheme=theme)
            page = context.new_page()
            page.goto(f"{address}/account/sign-in")
            page.fill("#login", login)
            page.fill("#password", password)
            page.press("#password", "Enter")
            page.wait_for_url(f"{address}/")
            path = PATHS.get(name) or f"/customers/{picked[name]}"
            page.goto(address + path, wait_until="networkidle")
            page.screenshot(path=FOLDER / file)
            context.close()
        chromium.close()


if __name__ == "__main__":
    main()
