"""Every page that links lead to, as people of several roles see it: sound, and for everybody.

Starts at the first page and follows one link of each kind, so that a new page is found by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
LEFT_OUT = re.compile(r"/static/|/api/openapi|/download|/export|\.(csv|xlsx|vcf|json)$")
MOST_PAGES = 150


def kind_of(path: str) -> str:
    """Return what pages of one kind share: the path, with ids and numbers as one."""
    parts = urlsplit(path)
    names = sorted(part.partition("=")[0] for part in parts.query.split("&") if part)
    return ID.sub("*", parts.path).rstrip("/") + "?" + "&".join(names)


def pages_from(visitor, path: str = "/") -> Iterator[str]:
    """Yield the path of one page of each kind, standing on it."""
    waiting, known = [path], {kind_of(path)}
    while waiting and len(known) < MOST_PAGES:
        path = waiting.pop(0)
        visitor.open(path)
        yield path
        links = visitor.page.eval_on_selector_all(
            "a[href]:not([download])",
            "links => links.map(link => new URL(link.getAttribute('href'), location).href)",
        )
        for link in links:
            if not link.startswith(visitor.site.address):
                continue
            parts = urlsplit(link)
            following = parts.path + (f"?{parts.query}" if parts.query else "")
            if kind_of(following) not in known and not LEFT_OUT.search(following):
                known.add(kind_of(following))
                waiting.append(following)


@pytest.mark.parametrize(
    ("login", "width", "theme", "language"),
    [
        ("demo", 1280, "light", "en"),
        ("demo", 360, "dark", "en"),
        ("maryam", 360, "light", "fa"),
        ("maryam", 1280, "dark", "fa"),
        ("eleni", 360, "light", "en"),
        ("maja", 1280, "dark", "en"),
    ],
)
def test_every_page_is_sound(visit, login, width, theme, language):
    visitor = visit(login, width=width, theme=theme, language=language)
    faults = {}
    for path in pages_from(visitor):
        found = visitor.faults()
        if found:
            faults[path] = found
    assert not faults, "\n".join(f"{path}: {found}" for path, found in faults.items())


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("language", ["en", "fa"])
def test_who_is_not_signed_in_meets_sound_pages_too(visit, width, language):
    visitor = visit(width=width, language=language)
    for path in ("/account/sign-in", "/customers", "/nowhere"):
        visitor.open(path)
        assert not visitor.faults(), path
