from __future__ import annotations

import json
import pickle
import subprocess
import sys
from copy import deepcopy
from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from hypothesis import given
from hypothesis import strategies as st

from crm_core.errors import InputError
from crm_core.messages import (
    Message,
    in_language,
    joined,
    n,
    p,
    say,
    speak,
    spoken,
    spoken_language,
    system_language,
    t,
    translations,
    worded,
)

GREETINGS = """
from crm_core.messages import n, p, t

def hello(name):
    return t("Hello {name}, see {what}.", name=name, what=t("the list"))

def found(count):
    return n("{count} customer", "{count} customers", count)

def opened():
    return p("of a shop", "Open")
"""
CUSTOMERS = {
    "el": ("{count} πελάτης", "{count} πελάτες"),
    "pl": ("{count} klient", "{count} klientów (2-4: klienci)", "{count} klientów"),
    "ru": ("{count} клиент", "{count} клиента", "{count} клиентов"),
    "sl": ("{count} stranka", "{count} stranki", "{count} stranke", "{count} strank"),
    "fa": ("{count} مشتری",),
}


@pytest.fixture
def greetings(tmp_path, monkeypatch):
    """A package with messages and catalogues of its own."""
    package = tmp_path / "crm_greetings"
    for language, customers in CUSTOMERS.items():
        catalogue = Catalog(locale=language)
        catalogue.add(("{count} customer", "{count} customers"), customers)
        if language == "el":
            catalogue.add("Hello {name}, see {what}.", "Γεια σου {name}, δες {what}.")
            catalogue.add("the list", "τη λίστα")
            catalogue.add("Open", "Ανοιχτό", context="of a shop")
            catalogue.add("Broken {name}", "Σπασμένο {nome}")
        path = package / "locales" / language / "LC_MESSAGES" / "crm_greetings.mo"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            write_mo(file, catalogue)
    (package / "__init__.py").write_text(GREETINGS)
    monkeypatch.syspath_prepend(tmp_path)
    translations.cache_clear()
    import crm_greetings

    yield crm_greetings
    del sys.modules["crm_greetings"]
    translations.cache_clear()


def test_a_message_is_its_english_text():
    message = t("There is no user {login!r}. {count:,} others.", login="maria", count=1234)
    assert message == "There is no user 'maria'. 1,234 others."
    assert f"{message}!" == "There is no user 'maria'. 1,234 others.!"
    assert json.loads(json.dumps({"m": message})) == orjson.loads(orjson.dumps({"m": message}))
    assert InputError(message).message is message
    assert str(InputError(message)) == message
    assert message.format(count=3) is message


def test_it_is_copied_and_pickled_whole():
    message = n("{count} of {what}", "{count} of {what}", 2, what=t("things"))
    for again in (pickle.loads(pickle.dumps(message)), deepcopy(message)):
        assert type(again) is Message
        assert again == message
        assert again.params == message.params
        assert type(again.params["what"]) is Message


def test_it_keeps_no_object_but_what_that_looks_like():
    key = UUID(int=1)
    message = t("{key} {key!r} {amount:.1f}", key=key, amount=Decimal("2.25"))
    assert message == f"{key} {key!r} 2.2"
    assert not isinstance(message.params["key"], UUID)
    assert say(message, "ru") == f"{key} {key!r} 2,2"
    told = t("{name} is wrong: {error}.", name="x", error=ValueError(t("it is empty")))
    assert told == "x is wrong: it is empty."
    assert type(told.params["error"]) is Message


def test_it_is_said_in_the_language_being_spoken_with_all_that_is_in_it(greetings):
    hello = greetings.hello("Ελένη {x}")
    assert hello == "Hello Ελένη {x}, see the list."
    assert say(hello) == hello
    with in_language("el-GR"):
        assert spoken_language() == "el"
        assert say(hello) == "Γεια σου Ελένη {x}, δες τη λίστα."
        assert say("the list") == "the list"  # data is nobody's to translate
        assert say(greetings.opened()) == "Ανοιχτό"
        with in_language("tlh"):
            assert say(hello) == hello
    assert spoken_language() == "en"
    assert say(hello, "pl") == hello  # Polish lacks it


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["0 customers", "1 customer", "2 customers", "3 customers", "5 customers"]),
        ("el", ["0 πελάτες", "1 πελάτης", "2 πελάτες", "3 πελάτες", "5 πελάτες"]),
        ("ru", ["0 клиентов", "1 клиент", "2 клиента", "3 клиента", "5 клиентов"]),
        ("sl", ["0 strank", "1 stranka", "2 stranki", "3 stranke", "5 strank"]),
        ("fa", ["۰ مشتری", "۱ مشتری", "۲ مشتری", "۳ مشتری", "۵ مشتری"]),
    ],
)
def test_plurals_are_those_of_the_language(greetings, language, said):
    assert [say(greetings.found(count), language) for count in (0, 1, 2, 3, 5)] == said


def test_a_fraction_takes_the_plural(greetings):
    assert greetings.found(0.5) == "0.5 customers"
    assert say(greetings.found(1.5), "ru") == "1,5 клиента"
    assert greetings.found(1.0) == "1.0 customer"


def test_whole_messages_are_said_one_after_the_other(greetings):
    both = joined([greetings.found(2), greetings.opened()], t(" ~ "))
    assert both == "2 customers ~ Open"
    assert say(both, "el") == "2 πελάτες ~ Ανοιχτό"
    assert joined([]) == ""
    assert joined(["{", "}"], " {x} ") == "{ {x} }"


def test_a_catalogue_with_wrong_placeholders_gives_the_english_text(greetings):
    message = Message("Broken {name}", {"name": "x"}, package="crm_greetings")
    assert say(message, "el") == "Broken x"


def test_a_text_that_is_no_message_is_looked_up_by_its_package(greetings):
    with in_language("el"):
        assert worded("the list", "crm_greetings") == "τη λίστα"
        assert worded("the list", "crm_core") == "the list"
        assert worded(greetings.opened(), "crm_core") == "Ανοιχτό"
    assert worded("the list", "crm_greetings") == "the list"


def test_templates_that_escape_show_it_in_the_readers_language(greetings):
    hello = greetings.hello("<b>")
    with in_language("el"):
        assert hello.__html__() == "Γεια σου &lt;b&gt;, δες τη λίστα."
    assert hello.__html__() == "Hello &lt;b&gt;, see the list."


def test_a_package_without_catalogues_speaks_english():
    assert say(p("of nothing", "Whatever {x}", x=1), "fa") == "Whatever ۱"
    assert translations("el", ("no_such_package", "__main__")).gettext("x") == "x"


@pytest.mark.parametrize(
    ("env", "language"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "pl_PL.UTF-8"}, "pl"),
        ({"LANG": "pl_PL.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "pl_PL", "CRM_LANGUAGE": "fa"}, "fa"),
        ({"LC_MESSAGES": "sl_SI@euro", "LANG": "pl_PL"}, "sl"),
    ],
)
def test_the_system_says_which_language(env, language):
    assert system_language(env) == language


def test_a_language_spoken_inside_a_block_ends_with_it():
    with in_language("pl"):
        speak("ru")
        assert spoken_language() == "ru"
    assert spoken_language() == "en"
    assert [spoken(tag) for tag in ("EL-gr", "sr", "", None)] == ["el", None, None, None]


def test_english_reads_no_catalogue_and_imports_little():
    code = (
        "import sys; from crm_core.messages import n, say, t\n"
        "say(t('a {b}', b=1)); say(n('{count} x', '{count} y', 2))\n"
        "outside = {m.partition('.')[0] for m in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(m for m in outside if not m.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['crm_core']"


@given(st.text(), st.integers(), st.sampled_from(["en", "el", "pl", "ru", "sl", "fa"]))
def test_data_stays_as_it_was_typed(text, number, language):
    said = say(t("{text}|{number}", text=text, number=number), language)
    shown, _, digits = said.rpartition("|")
    assert shown == text
    assert int(digits) == number
