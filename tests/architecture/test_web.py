"""What pages are made of: nothing inline, nothing from elsewhere, and Flask in one place alone."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "plugins" / "crm_web"
FOLDERS = [path for path in ROOT.glob("*/*/templates") if ".venv" not in path.parts]
TEMPLATES = sorted(
    path for folder in FOLDERS for path in folder.rglob("*.html") if "scaffold" not in path.parts
)
SCRIPTS = sorted((WEB / "static").rglob("*.js"))
STYLES = sorted((WEB / "static").rglob("*.css"))
FIRST_LOAD = 200_000


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: str(p.relative_to(ROOT)))


@named(TEMPLATES)
def test_a_template_has_nothing_inline(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]*\bsrc=)", text), "a script without src"
    assert not re.findall(r"<style\b", text)
    assert not re.findall(r"<[a-z][^<>]*\sstyle\s*=", text), "a style attribute"
    assert not re.findall(r"<[a-z][^<>]*\son[a-z]+\s*=", text), "a handler attribute"
    assert "javascript:" not in text
    assert "|safe" not in re.sub(r"markup\s*\|\s*safe", "", text), "markup of whom?"


@named(TEMPLATES)
def test_a_template_fetches_nothing_from_elsewhere(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href|action|data)\s*=\s*["'](?:https?:)?//""", text)
    assert not re.findall(r"<(?:iframe|object|embed|base)\b", text)


@named(TEMPLATES)
def test_every_form_that_sends_has_its_token(path):
    text = path.read_text(encoding="utf-8")
    macros = re.findall(r"{% macro (\w+)\(.*?{% endmacro %}", text, re.DOTALL)
    bodies = re.findall(r"{% macro \w+(\(.*?){% endmacro %}", text, re.DOTALL)
    carrying = [f"{name}(" for name, body in zip(macros, bodies, strict=True) if "csrf()" in body]
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        if re.match(r"<form[^>]*method=.post", form, re.IGNORECASE):
            assert any(word in form for word in ("csrf()", *carrying)), form[:200]


@named([*SCRIPTS, *STYLES])
def test_scripts_and_styles_fetch_nothing_from_elsewhere(path):
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"""["'(](?:https?:)?//[a-z]""", text.replace("http://www.w3.org/", ""))
    assert not re.findall(r"\beval\(|new Function|document\.write|insertAdjacentHTML", text)


@named(STYLES)
def test_styles_turn_with_the_language(path):
    """Left and right are named by where text starts and ends, so that Persian is right too."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    physical = re.findall(
        r"(?<![-\w])((?:margin|padding|border)-(?:left|right)\b|(?:text-align|float):\s*(?:left|right)"
        r"|(?:left|right):)",
        text,
    )
    assert not physical


def test_no_file_of_others_is_committed():
    for path in (WEB / "static").rglob("*"):
        assert path.stat().st_size < 60_000, f"{path} is large for our own"
        if path.suffix in (".js", ".css"):
            head = path.read_text(encoding="utf-8")[:500].lower()
            assert "license" not in head
            assert "copyright" not in head
            assert ".min." not in path.name


def test_flask_is_known_in_one_place_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    # Documents are drawn from templates, too, with the web or without it.
    wording = ROOT / "plugins/crm_sales/services/quote_documents/wording.py"
    for place in packages:
        if place == "plugins/crm_web":
            continue
        for path in {*(ROOT / place).rglob("*.py")} - {wording}:
            text = path.read_text(encoding="utf-8")
            assert not re.search(
                r"^\s*(?:from|import) (?:flask|werkzeug|jinja2)\b", text, re.MULTILINE
            ), path
