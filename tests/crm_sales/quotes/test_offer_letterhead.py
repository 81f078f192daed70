"""The company's letterhead on the document of an offer."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from crm_core.entities.system import Setting
from crm_core.errors import ConfigurationError, InputError, PermissionDeniedError
from crm_sales.services.quote_documents.letterhead import checked_fonts, checked_logo
from crm_sales.services.quote_documents.offer import document_of

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])
RED = (200, 10, 10)


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (300, 100), RED).save(out, "PNG")
    return out.getvalue()


def reds(pdf: bytes) -> int:
    """How many dots of the first page are red."""
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].render(scale=1).to_pil().convert("RGB")
    return sum(count for count, colour in page.getcolors(1 << 24) if colour == RED)


def test_it_bears_lines_foot_and_picture(office: Any, offer: Any, tmp_path):
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture())
    values = {
        "sales.letterhead": "Οδός Ερμού 12 | 10563 Αθήνα || ",
        "sales.letter_foot": "IBAN GR16 0110",
        "sales.logo": str(logo),
    }
    before = office.read(lambda uow: document_of(uow, offer.id)).content
    assert reds(before) == 0
    for key, value in values.items():
        office.write(lambda uow, key=key, value=value: uow.add(Setting(key=key, value=value)))
    pdf = office.read(lambda uow: document_of(uow, offer.id)).content
    with pypdfium2.PdfDocument(pdf) as document:
        text = document[0].get_textpage().get_text_range()
    assert "Οδός Ερμού 12\r\n10563 Αθήνα" in text
    assert "IBAN GR16 0110" in text
    assert reds(pdf) > 500
    logo.unlink()
    with pytest.raises(ConfigurationError, match=r"sales\.logo"):
        office.read(lambda uow: document_of(uow, offer.id))


def test_what_is_no_picture_or_font_is_refused_when_it_is_set(office: Any, tmp_path):
    logo, font = tmp_path / "logo.png", tmp_path / "font.ttf"
    logo.write_bytes(b"<svg onload=alert(1)>")
    font.write_bytes(b"no font")
    for path in (logo, tmp_path, tmp_path / "none.png", "a\x00b"):
        with pytest.raises(InputError, match="PNG or JPEG"):
            office.read(lambda uow, path=path: checked_logo(uow, str(path)))
    with pytest.raises(InputError, match="cannot be read"):
        office.read(lambda uow: checked_fonts(uow, [str(font)]))
    with pytest.raises(PermissionDeniedError):
        office.read(lambda uow: checked_logo(uow, str(logo)), "employee")
    logo.write_bytes(picture())
    assert office.read(lambda uow: checked_logo(uow, str(logo))) == str(logo)
