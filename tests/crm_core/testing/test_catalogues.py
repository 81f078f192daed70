from __future__ import annotations

from gettext import GNUTranslations

import pytest
from babel.messages.pofile import read_po

from crm_core.testing.catalogues import catalogue_path, faults, gathered, main

SOURCE = '''
"""A module."""
import click
from crm_core.messages import n, p, t

TITLE = "Nobody translates this"

@click.command()
@click.option("--dry-run", help="Keep nothing.")
def cheer(count, name):
    """Cheer at people.

    As loudly as you like.
    """
    click.echo(t("Well done, {name}: {what}.", name=name, what=t("{a}: {b}", a=1, b=2)))
    click.echo(n("{count} cheer for {name}", "{count} cheers for {name}", count, name=name))
    click.echo(p("of a shop", "Open"))

def quiet():
    """Not a command, so nobody reads this."""
'''
PAGE = """
<h1>{{ _("Cheers") }}</h1>
{{ ngettext("%(num)s cheer", "%(num)s cheers", count) }} {{ pgettext("of a door", "Open") }}
{% trans who=name %}
  Bye {{ who }}
{% endtrans %}
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "crm_cheers"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "cheers.py").write_text(SOURCE)
    (folder / "templates" / "cheers.html").write_text(PAGE)
    assert main(["update", str(folder)]) == 0
    return folder


def edit(package, language, old, new):
    """Do what a translator does, by hand: the first entry of its kind."""
    path = catalogue_path(package, language)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def translate(package, language, source, *translations):
    """Fill in one entry."""
    path = catalogue_path(package, language)
    with path.open("rb") as file:
        forms = read_po(file)[source].string
    empty = 'msgstr ""\n'
    filled = f'msgstr "{translations[0]}"\n'
    if isinstance(forms, tuple):
        empty = "".join(f'msgstr[{place}] ""\n' for place in range(len(forms)))
        filled = "".join(f'msgstr[{place}] "{text}"\n' for place, text in enumerate(translations))
    head, mark, tail = path.read_text(encoding="utf-8").partition(f'msgid "{source}"\n')
    assert mark
    path.write_text(head + mark + tail.replace(empty, filled, 1), encoding="utf-8")


def told(package, language):
    return [fault for fault in faults(package) if f"/{language}/" in fault]


def test_texts_are_gathered_from_code_commands_and_templates(package):
    found = {(message.context, message.id) for message in gathered(package) if message.id}
    assert found == {
        (None, "Keep nothing."),
        (None, "Cheer at people.\n\nAs loudly as you like."),
        (None, "Well done, {name}: {what}."),
        (None, ("{count} cheer for {name}", "{count} cheers for {name}")),
        ("of a shop", "Open"),
        (None, "Cheers"),
        (None, ("%(num)s cheer", "%(num)s cheers")),
        ("of a door", "Open"),
        (None, "Bye %(who)s"),
    }


def test_an_empty_catalogue_is_told_and_may_be_let_pass(package, capsys):
    assert main(["check", str(package)]) == 1
    assert capsys.readouterr().err.count("9 texts are not translated") == 5
    assert main(["check", "--warn", str(package)]) == 0


def test_what_is_translated_stays_and_is_compiled(package):
    translate(package, "sl", "Cheers", "Vzkliki")
    assert main(["update", str(package)]) == 0
    with catalogue_path(package, "sl").open("rb") as file:
        assert read_po(file)["Cheers"].string == "Vzkliki"
    with catalogue_path(package, "sl").with_suffix(".mo").open("rb") as file:
        assert GNUTranslations(file).gettext("Cheers") == "Vzkliki"


def test_writing_again_changes_nothing(package):
    before = catalogue_path(package, "fa").read_bytes()
    main(["update", str(package)])
    assert catalogue_path(package, "fa").read_bytes() == before
    assert b"cheers.py:" not in before  # a line that moves is no change of the catalogue


@pytest.mark.parametrize(
    ("language", "source", "translations", "fault"),
    [
        ("el", "Well done, {name}: {what}.", ["Μπράβο: {what}."], "has lost the placeholder name"),
        (
            "el",
            "Well done, {name}: {what}.",
            ["{name} {what} {x}"],
            "has invented the placeholder x",
        ),
        ("el", "Well done, {name}: {what}.", ["{name} {what"], "cannot be formatted"),
        ("pl", "Bye %(who)s", ["Pa"], "has lost the placeholder who"),
        ("fa", "{count} cheer for {name}", ["{count}"], "has lost the placeholder name"),
        ("sl", "{count} cheer for {name}", ["{name}"] * 4, None),  # "one cheer" needs no figure
        ("sl", "{count} cheer for {name}", ["{name}"] * 2, "9 texts are not translated"),
    ],
)
def test_wrong_placeholders_are_found(package, language, source, translations, fault):
    translate(package, language, source, *translations)
    found = told(package, language)
    assert (not found[:-1]) if fault is None else any(fault in each for each in found), found


def test_a_wrong_plural_header_is_found(package):
    edit(package, "sl", "nplurals=4", "nplurals=2")
    assert "its Plural-Forms are not those of sl" in told(package, "sl")[0]


def test_a_fuzzy_entry_is_found(package):
    translate(package, "ru", "Cheers", "Ура")
    edit(package, "ru", 'msgid "Cheers"', '#, fuzzy\nmsgid "Cheers"')
    assert any("'Cheers' is marked fuzzy" in fault for fault in told(package, "ru"))


def test_a_catalogue_behind_its_sources_is_found(package):
    (package / "templates" / "cheers.html").write_text("{{ _('Hurrah') }}")
    assert any("is not what the sources say" in fault for fault in told(package, "el"))
    main(["update", str(package)])
    assert not any("is not what the sources say" in fault for fault in told(package, "el"))
    assert "Cheers" not in catalogue_path(package, "el").read_text(encoding="utf-8")
    catalogue_path(package, "el").unlink()
    assert any("is missing" in fault for fault in told(package, "el"))


def test_a_text_that_is_no_literal_is_refused(package):
    (package / "cheers.py").write_text("t('Hello ' + name)")
    with pytest.raises(ValueError, match=r"cheers.py:1: the text of t\(\) is no literal"):
        gathered(package)
