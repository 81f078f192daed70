"""Which language the command line speaks, and what of it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from crm_core.cli.main import crm as command
from crm_core.messages import spoken_language

UNKNOWN = {
    "el": "Σφάλμα: Δεν υπάρχει χρήστης 'nobody'. Δείτε crm user list.",
    "pl": "Błąd: Nie ma użytkownika 'nobody'. Zobacz crm user list.",
    "ru": "Ошибка: Нет пользователя 'nobody'. Смотрите crm user list.",
    "sl": "Napaka: Uporabnika 'nobody' ni. Glejte crm user list.",
    "fa": "خطا: کاربر 'nobody' وجود ندارد. دستور crm user list را ببینید.",
}
HEADINGS = {
    "el": ["Όνομα χρήστη", "Όνομα", "Ρόλοι", "Ενεργό", "ναι"],
    "pl": ["Login", "Nazwa", "Role", "Włączony", "tak"],
    "ru": ["Логин", "Имя", "Роли", "Включён", "да"],
    "sl": ["Uporabniško ime", "Ime", "Vloge", "Omogočeno", "da"],
    "fa": ["نام کاربری", "نام", "نقش‌ها", "فعال", "بله"],
}
HELP = {
    "el": ["Χρήση: crm user add", "Προσθήκη χρήστη.", "Επιλογές:", "Εμφάνιση αυτού του μηνύματος"],
    "pl": [
        "Użycie: crm user add",
        "Dodaj użytkownika.",
        "Opcje:",
        "Pokaż ten komunikat i zakończ.",
    ],
    "ru": ["Использование: crm user add", "Добавить пользователя.", "Параметры:", "и выйти."],
    "sl": ["Uporaba: crm user add", "Dodaj uporabnika.", "Možnosti:", "in končaj."],
    "fa": ["نحوهٔ استفاده: crm user add", "یک کاربر اضافه کن.", "گزینه‌ها:", "تمام کن."],
}
FOUND = {
    "el": ["1 πελάτης στο", "2 πελάτες στο"],
    "pl": ["1 klient w", "2 klientów w"],
    "ru": ["1 клиент в", "2 клиента в"],
    "sl": ["1 stranka v", "2 stranki v"],
    "fa": ["۱ مشتری در", "۲ مشتری در"],
}
languages = pytest.mark.parametrize("language", sorted(UNKNOWN))


@pytest.fixture(autouse=True)
def english_system(monkeypatch):
    """A system that speaks English, whatever the developer's does."""
    for name in ("CRM_LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@languages
def test_errors_are_told_in_the_language_asked_for(crm, monkeypatch, language):
    asked = crm("customer", "list", "--as", "nobody", "--language", language)
    assert asked.stderr.strip() == UNKNOWN[language]
    monkeypatch.setenv("CRM_LANGUAGE", language)
    assert crm("customer", "list", "--as", "nobody").stderr == asked.stderr
    assert spoken_language() == "en"


def test_programs_get_the_same_code_and_a_message_in_words(crm):
    result = crm("customer", "list", "--as", "nobody", "--json", "--language", "sl")
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "core.user.not_found"
    assert error["message"] in UNKNOWN["sl"]
    english = json.loads(crm("user", "list", "--json").stdout)
    assert json.loads(crm("user", "list", "--json", "--language", "fa").stdout) == english


@languages
def test_tables_have_their_headings_in_it(crm, language):
    shown = crm("user", "list", "--language", language).stdout
    assert [word for word in HEADINGS[language] if word not in shown] == []
    assert "Roles" not in shown


@languages
def test_counts_take_the_plural_of_it(crm, tmp_path, language):
    told = []
    for name in ("Ada", "Zoë"):
        crm.json("customer", "add", name)
        file = str(tmp_path / f"{name}.csv")
        told.append(crm("customer", "export", "--out", file, "--language", language).output)
    assert [want for want, got in zip(FOUND[language], told, strict=True) if want not in got] == []


@languages
def test_help_is_shown_in_it_and_english_comes_back(monkeypatch, language):
    monkeypatch.setenv("LANG", f"{language}_XX.UTF-8")
    shown = CliRunner().invoke(command, ["user", "add", "--help"])
    assert [words for words in HELP[language] if words not in shown.output] == []
    first = CliRunner().invoke(command, ["--language", language, "--help"]).output
    assert "Add users and give them roles." not in first
    monkeypatch.setenv("LANG", "C")
    again = CliRunner().invoke(command, ["user", "add", "--help"]).output
    assert "Usage: crm user add" in again
    assert "Add a user." in again


def test_the_users_own_language_counts_unless_another_is_asked_for(crm, monkeypatch):
    crm.json("user", "add", "eleni", "--role", "admin", "--language", "el-GR")
    as_eleni = ("user", "list", "--as", "eleni")
    assert "Ρόλοι" in crm(*as_eleni).stdout
    monkeypatch.setenv("LANG", "pl_PL.UTF-8")
    assert "Ρόλοι" in crm(*as_eleni).stdout
    assert "Vloge" in crm(*as_eleni, "--language", "sl").stdout
    assert "Włączony" in crm("user", "list").stdout
    crm.json("user", "add", "jens", "--role", "admin", "--language", "da")
    assert "Włączony" in crm("user", "list", "--as", "jens").stdout  # Danish is not spoken


def test_the_settings_file_counts_more_than_the_system(crm, monkeypatch):
    with (crm.folder / "crm.toml").open("a", encoding="utf-8") as file:
        file.write('language = "ru"\n')
    monkeypatch.setenv("LANG", "pl_PL.UTF-8")
    assert "Роли" in crm("user", "list").stdout
    monkeypatch.setenv("CRM_LANGUAGE", "fa")
    assert "نقش‌ها" in crm("user", "list").stdout


def test_a_language_that_is_not_spoken_is_exit_2(crm, monkeypatch):
    assert crm("user", "list", "--language", "da").exit_code == 2
    monkeypatch.setenv("CRM_LANGUAGE", "da")
    result = crm("user", "list")
    assert "it is none of en, el, pl, ru, sl, fa" in result.stderr
    assert result.exit_code == 1


def test_a_commands_own_language_option_stays_its_own(crm):
    added = crm("user", "add", "ola", "--language", "pl-PL")
    assert added.stdout.strip() == "Added ola."
