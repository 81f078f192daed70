"""A page as a test reads it: its elements, its forms, and the token that they carry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, SubElement

from werkzeug.test import TestResponse

VOID = frozenset("area base br col embed hr img input link meta source track wbr use path".split())
SKIPPED = frozenset({"script", "style", "template"})


class _Tree(HTMLParser):
    """Builds elements; what is closed twice or never stays where it was opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        SubElement(self._open[-1], tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        names = [element.tag for element in self._open]
        if tag in names:
            del self._open[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        here = self._open[-1]
        if len(here):
            here[-1].tail = (here[-1].tail or "") + data
        else:
            here.text = (here.text or "") + data


def parsed(markup: str) -> Element:
    """Return the elements of a page, below one ``document``."""
    tree = _Tree()
    tree.feed(markup)
    tree.close()
    return tree.root


def words_of(element: Element) -> str:
    """Return what people read of an element, with each run of blanks as one."""
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: Element) -> Iterator[str]:
    if element.tag in SKIPPED:
        return
    yield element.text or ""
    for child in element:
        yield from _pieces(child)
        yield child.tail or ""


@dataclass
class Page:
    """What came back.

    Attributes:
        response: The answer itself: headers, status_code.
        queries: The statements that it took, in order.
    """

    response: TestResponse
    queries: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def location(self) -> str:
        """Where it sends the browser, or empty."""
        return self.response.headers.get("Location", "")

    @cached_property
    def html(self) -> str:
        """The body as it was sent."""
        return self.response.get_data(as_text=True)

    @cached_property
    def tree(self) -> Element:
        """Its elements: ``page.tree.findall(".//table/tbody/tr")``."""
        return parsed(self.html)

    @property
    def words(self) -> str:
        """What people read."""
        return words_of(self.tree)

    def all(self, path: str) -> list[Element]:
        """Return elements: ``page.all("tbody/tr")``, ``page.all("a[@href='/customers']")``."""
        return self.tree.findall(f".//{path}")

    def texts(self, path: str) -> list[str]:
        """Return what people read of each of these elements."""
        return [words_of(element) for element in self.all(path)]

    @property
    def title(self) -> str:
        return " ".join(self.texts("h1"))

    @property
    def notices(self) -> list[str]:
        """What it says at its top: done, or why not."""
        return [
            words_of(element)
            for element in self.tree.iter("div")
            if "notice" in element.get("class", "").split()
        ]

    @property
    def csrf(self) -> str:
        """The token of its first form that sends."""
        found = re.search(r'name="_csrf" value="([^"]+)"', self.html)
        assert found, f"no form on this page sends anything: {self.status} {self.words[:300]}"
        return found[1]

    @property
    def links(self) -> list[str]:
        return [a.get("href", "") for a in self.all("a[@href]")]

    def form(self, action: str) -> dict[str, str]:
        """Return what a form would send as it stands, for changing and :meth:`Web.post`."""
        form = next(f for f in self.all("form") if f.get("action", "") in ("", action))
        values = {}
        for field_ in form.iter():
            name = field_.get("name")
            if not name or name == "_csrf":
                continue
            if field_.tag == "input":
                if field_.get("type") in ("checkbox", "radio") and field_.get("checked") is None:
                    continue
                values[name] = field_.get("value", "")
            elif field_.tag == "textarea":
                values[name] = field_.text or ""
            elif field_.tag == "select":
                options = field_.findall(".//option")
                chosen = [o for o in options if o.get("selected") is not None] or options[:1]
                values[name] = chosen[0].get("value", "") if chosen else ""
        return values
