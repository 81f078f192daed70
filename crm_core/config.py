"""Settings: where they come from, in which order, and what they may be.

A flag wins over the ``CRM_*`` environment, that over ``crm.toml`` in the current folder, that over
the user's own ``crm.toml``, that over the default. Every value knows which of these it came from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from crm_core.errors import ConfigurationError
from crm_core.messages import LANGUAGES, spoken, t

FILE_NAME = "crm.toml"
APPLICATION = "crm"
DEFAULT_DATABASE_URL = "sqlite:///crm.sqlite"
_PASSWORD = re.compile(r"(?P<head>://[^:/@]*:).*(?=@)|(?P<query>[?&]password=)[^&]*")
_SQLITE_FILE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^?]+)(\?.*)?")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in ``crm.toml``, what it does, and how its value is read."""

    name: str
    help: str
    default: Any
    read: Callable[[Any], Any]

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return f"CRM_{self.name.upper()}"


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force.

    Attributes:
        database_url: SQLAlchemy URL; a relative SQLite path is already made absolute.
        user: Login that acts where no ``--as`` is given.
        safe_mode: Whether no plugin at all is loaded.
        sync_minutes: How often the worker runs each enabled backend.
        plugin_seconds: How long a plugin may take to load or to answer a hook.
        log_file: Where unexpected errors are written.
        masters: By back office, who wins which field: ``customer.note`` to ``ask``.
        files_folder: Where attached files are kept; beside an SQLite database unless said.
        key_file: Where the key lies that secrets in the database are encrypted with; likewise.
        log_format: How log lines look: ``text`` or ``json``.
        metrics_port: Where the worker tells its figures to Prometheus; None for nowhere.
        metrics_host: Address of this machine at which it does.
        smtp_host: Mail server over which alerts are sent.
        smtp_port: Its port; None for what is usual.
        smtp_user: Who signs in there; None for nobody.
        smtp_secret_ref: Where that user's password is kept: ``file:PATH``, ``env:NAME`` …
        smtp_tls: ``starttls``, ``tls`` (from the start) or ``off``.
        mail_from: Address that mail is sent from.
        language: What people are addressed in on the command line; None for the system's language.
        sources: For each of the above the place it came from, in words.
    """

    database_url: str
    user: str | None
    safe_mode: bool
    sync_minutes: int
    plugin_seconds: float
    log_file: Path
    files_folder: Path
    key_file: Path
    masters: Mapping[str, Mapping[str, str]]
    log_format: str = "text"
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    smtp_host: str | None = None
    smtp_port: int | None = None
    smtp_user: str | None = None
    smtp_secret_ref: str | None = None
    smtp_tls: str = "starttls"
    mail_from: str | None = None
    language: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_database_url(self) -> str:
        """The database URL without its password, fit for people and logs."""
        return without_password(self.database_url)


def load_config(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> Config:
    """Gather the settings.

    Args:
        flags: Setting name to value for what was given on the command line; None is not given.
        env: The environment.
        cwd: The current folder: its ``crm.toml`` counts, and relative paths start there.

    Raises:
        ConfigurationError: A file is not TOML, has an unknown key, or a value cannot be read.
    """
    files = [(path, _read_file(path)) for path in config_files(env, cwd)]
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        raw, source, base = _find(setting, flags, env, files, cwd)
        try:
            value = setting.read(raw)
        except ValueError as error:
            raise ConfigurationError(
                t(
                    "{setting} is {raw!r} in {source}: {error}. {help}",
                    setting=setting.name,
                    raw=raw,
                    source=source,
                    error=error,
                    help=setting.help,
                ),
                code="core.config.value",
                details={"setting": setting.name, "source": source},
            ) from None
        values[setting.name] = _anchored(value, base)
        sources[setting.name] = source
    url = values["database_url"]
    values["files_folder"] = values["files_folder"] or _beside(url, "files")
    values["key_file"] = values["key_file"] or _beside(url, "key")
    return Config(**values, sources=sources)


def config_files(env: Mapping[str, str], cwd: Path) -> tuple[Path, Path]:
    """Return where settings are looked for: the current folder, then the user's own."""
    own = env.get("CRM_CONFIG_HOME") or platformdirs.user_config_dir(APPLICATION)
    return cwd / FILE_NAME, Path(own) / FILE_NAME


def default_log_file() -> Path:
    """Return where unexpected errors are written when nothing else is said."""
    return Path(platformdirs.user_log_dir(APPLICATION)) / "crm.log"


def _beside(database_url: str, what: str) -> Path:
    match = _SQLITE_FILE.fullmatch(database_url)
    if match:
        return Path(match[2]).with_suffix(f".{what}")
    return Path(platformdirs.user_data_dir(APPLICATION)) / what


def without_password(url: str) -> str:
    """Return a database URL with its password replaced by stars."""
    return _PASSWORD.sub(lambda match: f"{match['head'] or match['query']}***", url)


def _find(
    setting: Setting,
    flags: Mapping[str, Any],
    env: Mapping[str, str],
    files: list[tuple[Path, dict[str, Any]]],
    cwd: Path,
) -> tuple[Any, str, Path]:
    if flags.get(setting.name) is not None:
        return (
            flags[setting.name],
            t("flag --{setting}", setting=setting.name.replace("_", "-")),
            cwd,
        )
    if env.get(setting.variable):
        return env[setting.variable], t("environment {variable}", variable=setting.variable), cwd
    for path, content in files:
        if setting.name in content:
            return content[setting.name], str(path), path.parent
    return setting.default, "default", cwd


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            t(
                "{path} cannot be read ({error}): correct it or move it away.",
                path=path,
                error=error,
            ),
            code="core.config.unreadable",
            details={"file": str(path)},
        ) from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            t("{path} is not valid TOML: {error}. Correct that line.", path=path, error=error),
            code="core.config.broken",
            details={"file": str(path)},
        ) from None
    known = {setting.name for setting in SETTINGS}
    for key in content:
        if key not in known:
            line = _line_of(key, text)
            raise ConfigurationError(
                t(
                    "{path}, line {line}: there is no setting {key!r}. Known are {known}.",
                    path=path,
                    line=line,
                    key=key,
                    known=", ".join(sorted(known)),
                ),
                code="core.config.unknown_key",
                details={"file": str(path), "line": line, "key": key},
            )
    return content


def _line_of(key: str, text: str) -> int:
    sign = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[].=]""")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if sign.match(line)), 1)


def _anchored(value: Any, base: Path) -> Any:
    """Make a relative path absolute, starting from the folder of whoever named it."""
    if isinstance(value, Path):
        return base / value
    if isinstance(value, str) and (match := _SQLITE_FILE.fullmatch(value)):
        head, path, query = match.groups()
        return f"{head}{base / path}{query or ''}"
    return value


def _url(raw: Any) -> str:
    if not isinstance(raw, str) or "://" not in raw:
        raise ValueError(t("it is not a URL"))
    return raw


def _text(raw: Any) -> str | None:
    if raw is None or isinstance(raw, str):
        return raw or None
    raise ValueError(t("it is not a text"))


def _switch(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if isinstance(raw, str) and raw.lower() in words:
        return words[raw.lower()]
    raise ValueError(t("it is neither true nor false"))


def _minutes(raw: Any) -> int:
    if isinstance(raw, bool) or not re.fullmatch(r"[1-9][0-9]{0,5}", str(raw)):
        raise ValueError(t("it is not a number of minutes from 1 upwards"))
    return int(raw)


def _seconds(raw: Any) -> float:
    try:
        seconds = 0.0 if isinstance(raw, bool) else float(raw)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError(t("it is not a number of seconds from 0 to 3600"))
    return seconds


def _masters(raw: Any) -> dict[str, dict[str, str]]:
    tables = raw.values() if isinstance(raw, dict) else [None]
    if all(isinstance(t, dict) and all(isinstance(v, str) for v in t.values()) for t in tables):
        return dict(raw)
    raise ValueError(t("it is not a table for each back office"))


def _port(raw: Any) -> int | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not re.fullmatch("[0-9]{1,5}", str(raw)) or int(raw) > 65_535:
        raise ValueError(t("it is not a port from 0 to 65535"))
    return int(raw)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if raw not in words:
            raise ValueError(t("it is none of {words}", words=", ".join(words)))
        return str(raw)

    return read


def _spoken(raw: Any) -> str | None:
    if raw is None:
        return None
    language = spoken(raw) if isinstance(raw, str) else None
    if language is None:
        raise ValueError(t("it is none of {languages}", languages=", ".join(LANGUAGES)))
    return language


def _path(raw: Any) -> Path | None:
    if raw is None:
        return None
    if not isinstance(raw, str | Path) or not str(raw):
        raise ValueError(t("it is not a path"))
    return Path(raw).expanduser()


SETTINGS = (
    Setting(
        "database_url",
        t("Give sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME."),
        DEFAULT_DATABASE_URL,
        _url,
    ),
    Setting("user", t("Give the login that acts on the command line."), None, _text),
    Setting("safe_mode", t("Give true to load no plugin at all."), False, _switch),
    Setting("sync_minutes", t("Give the minutes between two runs of a backend."), 5, _minutes),
    Setting("plugin_seconds", t("Give the seconds a plugin may take to answer."), 10.0, _seconds),
    Setting("log_file", t("Give the file for unexpected errors."), default_log_file(), _path),
    Setting(
        "masters",
        t('Give [masters.NAME] with lines such as "customer.note" = "ask", in crm.toml.'),
        {},
        _masters,
    ),
    Setting("files_folder", t("Give the folder for attached files."), None, _path),
    Setting(
        "key_file", t("Give the file for the key that secrets are encrypted with."), None, _path
    ),
    Setting("log_format", t("Give text or json."), "text", _one_of("text", "json")),
    Setting("metrics_port", t("Give the worker's port for Prometheus."), None, _port),
    Setting("metrics_host", t("Give an address of this machine."), "127.0.0.1", _text),
    Setting("smtp_host", t("Give the mail server."), None, _text),
    Setting("smtp_port", t("Give the mail server's port."), None, _port),
    Setting("smtp_user", t("Give who signs in at the mail server."), None, _text),
    Setting("smtp_secret_ref", t("Give file:PATH, env:NAME or keyring:NAME."), None, _text),
    Setting(
        "smtp_tls", t("Give starttls, tls or off."), "starttls", _one_of("starttls", "tls", "off")
    ),
    Setting("language", t("Give en, el, pl, ru, sl or fa."), None, _spoken),
    Setting("mail_from", t("Give the address that mail is sent from."), None, _text),
)
