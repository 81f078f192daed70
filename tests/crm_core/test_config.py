from __future__ import annotations

from pathlib import Path

import pytest

from crm_core.config import load_config, without_password
from crm_core.errors import ConfigurationError


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {"CRM_CONFIG_HOME": str(home)}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def test_every_setting_has_a_default_and_says_so(env, here):
    config = load_config({}, env, here)

    assert config.database_url == f"sqlite:///{here}/crm.sqlite"
    assert config.files_folder == here / "crm.files"
    assert config.user is None
    assert config.safe_mode is False
    assert set(config.sources.values()) == {"default"}


def test_flag_beats_environment_beats_this_folder_beats_the_users_own(env, here):
    own, local = Path(env["CRM_CONFIG_HOME"]) / "crm.toml", here / "crm.toml"
    own.write_text('user = "own"\n')
    found = [load_config({}, env, here)]
    local.write_text('user = "local"\n')
    found.append(load_config({}, env, here))
    env["CRM_USER"] = "environment"
    found.append(load_config({}, env, here))
    found.append(load_config({"user": "flag"}, env, here))

    assert [(config.user, config.sources["user"]) for config in found] == [
        ("own", str(own)),
        ("local", str(local)),
        ("environment", "environment CRM_USER"),
        ("flag", "flag --user"),
    ]


def test_a_relative_path_starts_at_the_folder_of_whoever_named_it(env, here):
    (Path(env["CRM_CONFIG_HOME"]) / "crm.toml").write_text('database_url = "sqlite:///data/a.db"\n')
    assert load_config({}, env, here).database_url == (
        f"sqlite:///{env['CRM_CONFIG_HOME']}/data/a.db"
    )
    flags = {"database_url": "sqlite:///b.db?timeout=3"}
    assert load_config(flags, env, here).database_url == f"sqlite:///{here}/b.db?timeout=3"
    assert load_config({"database_url": "sqlite:////x/c.db"}, env, here).files_folder == Path(
        "/x/c.files"
    )


def test_an_unknown_key_is_named_with_file_and_line(env, here):
    (here / "crm.toml").write_text('# settings\nuser = "a"\ndatabse_url = "sqlite:///x"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_config({}, env, here)
    assert f"{here / 'crm.toml'}, line 3" in caught.value.message
    assert "'databse_url'" in caught.value.message
    assert "database_url" in caught.value.message


@pytest.mark.parametrize(
    ("text", "line"), [('[odoo]\nurl = "x"\n', 1), ('user = "a"\n\n[mapping.x]\n', 3)]
)
def test_an_unknown_table_is_named_with_its_line(env, here, text, line):
    (here / "crm.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"line {line}"):
        load_config({}, env, here)


def test_broken_toml_is_named_with_file_and_line(env, here):
    (here / "crm.toml").write_text('user = "a"\nsafe_mode = tru\n')
    with pytest.raises(ConfigurationError) as caught:
        load_config({}, env, here)
    assert str(here / "crm.toml") in caught.value.message
    assert "line 2" in caught.value.message


def test_a_file_in_another_encoding_is_named(env, here):
    (here / "crm.toml").write_bytes('user = "Γιώργος"'.encode("iso8859-7"))
    with pytest.raises(ConfigurationError, match=r"crm\.toml"):
        load_config({}, env, here)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "crm.sqlite"),
        ("database_url", 7),
        ("user", 7),
        ("safe_mode", "perhaps"),
        ("sync_minutes", "0"),
        ("sync_minutes", True),
        ("sync_minutes", "-5"),
        ("log_file", ""),
    ],
)
def test_a_value_of_the_wrong_kind_names_setting_and_source(env, here, name, value):
    with pytest.raises(ConfigurationError) as caught:
        load_config({name: value}, env, here)
    assert name in caught.value.message
    assert f"flag --{name.replace('_', '-')}" in caught.value.message


@pytest.mark.parametrize(("word", "meant"), [("1", True), ("TRUE", True), ("off", False)])
def test_switches_are_read_from_the_environment(env, here, word, meant):
    assert load_config({}, env | {"CRM_SAFE_MODE": word}, here).safe_mode is meant


def test_an_empty_variable_counts_as_not_set(env, here):
    assert load_config({}, env | {"CRM_SYNC_MINUTES": ""}, here).sync_minutes == 5


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://crm:s3cret@host/crm",
        "postgresql+psycopg://crm:s3cret@[::1]:5432/crm",
        "postgresql://crm:a:s3cret/@host/crm",
        "postgresql://host/crm?user=crm&password=s3cret",
    ],
)
def test_a_password_is_never_shown(env, here, url):
    config = load_config({"database_url": url}, env, here)
    assert config.database_url == url
    assert "s3cret" not in config.shown_database_url
    assert config.shown_database_url.startswith("postgresql")


def test_an_address_without_a_password_is_shown_as_it_is():
    for url in ("sqlite:////a/b.sqlite", "postgresql://crm@127.0.0.1:5432/crm"):
        assert without_password(url) == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_format", "xml"),
        ("metrics_port", "70000"),
        ("metrics_port", "-1"),
        ("smtp_port", "smtp"),
        ("smtp_tls", "yes"),
    ],
)
def test_operators_settings_are_checked(env, here, name, value):
    with pytest.raises(ConfigurationError, match=name):
        load_config({}, {**env, f"CRM_{name.upper()}": value}, here)


def test_operators_settings_come_from_the_file(env, here):
    (here / "crm.toml").write_text(
        'log_format = "json"\nmetrics_port = 9464\nsmtp_host = "mail.example.com"\n'
        'smtp_tls = "tls"\nsmtp_secret_ref = "env:MAIL"\nmail_from = "crm@example.com"\n'
    )
    config = load_config({}, env, here)
    assert (config.log_format, config.metrics_port, config.smtp_tls) == ("json", 9464, "tls")
    assert (config.smtp_host, config.mail_from) == ("mail.example.com", "crm@example.com")
