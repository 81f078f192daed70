"""Whose document it is: the company as its letters show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_core.errors import ConfigurationError, InputError
from crm_core.messages import t
from crm_core.persistence.unit_of_work import UnitOfWork
from crm_core.services.plugin_settings import values_of
from crm_core.services.settings import load_settings
from crm_sales.permissions import CONFIGURE, QUOTE_VIEW
from crm_sales.services.quote_documents.fonts import faces
from crm_sales.settings import DOCUMENT_FONTS, DOCUMENTS, LETTER_FOOT, LETTERHEAD, LOGO

MOST_LOGO = 2 * 1024 * 1024
LOGO_ADDRESS = "crm:logo"
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What stands at the head and foot of a document, and further fonts for it."""

    name: str
    lines: Sequence[str]
    foot: str
    pictures: Mapping[str, bytes]
    fonts: tuple[str, ...]


def load_letterhead(uow: UnitOfWork) -> Letterhead:
    """Return the company's letterhead.

    Raises:
        ConfigurationError: Its picture is no longer there.
    """
    uow.actor.require(QUOTE_VIEW)
    set_ = values_of(uow, DOCUMENTS)
    lines = [line.strip() for line in set_[LETTERHEAD.name].split("|")]
    logo = set_[LOGO.name]
    return Letterhead(
        load_settings(uow).company,
        [line for line in lines if line],
        set_[LETTER_FOOT.name],
        {LOGO_ADDRESS: _picture(logo)} if logo else {},
        tuple(set_[DOCUMENT_FONTS.name]),
    )


def checked_logo(uow: UnitOfWork, path: str) -> str:
    """Return the path of a picture; raises InputError for what is none."""
    uow.actor.require(CONFIGURE)
    try:
        _picture(path)
    except ConfigurationError as error:
        raise InputError(error.message, code="sales.document.logo") from None
    return path


def checked_fonts(uow: UnitOfWork, paths: list[str]) -> list[str]:
    """Return the paths of fonts; raises InputError for what is none."""
    uow.actor.require(CONFIGURE)
    try:
        faces(tuple(paths))
    except ConfigurationError as error:
        raise InputError(error.message, code="sales.document.font") from None
    return paths


def _picture(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_LOGO + 1)
    except (OSError, ValueError):
        content = b""
    if not content.startswith(_PICTURES) or len(content) > MOST_LOGO:
        raise ConfigurationError(
            t(
                "The picture {path} for documents is not there, is no PNG or JPEG, or is larger "
                "than 2 MiB: name another in the setting sales.logo.",
                path=path,
            ),
            code="sales.document.logo",
        )
    return content
