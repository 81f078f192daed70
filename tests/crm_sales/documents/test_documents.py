"""Documents of offers, drawn in earnest: read again, and looked at as pictures."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from typing import Any

import pypdfium2
import pytest

from crm_core.errors import ConfigurationError
from crm_core.messages import LANGUAGES
from crm_sales.services.quote_documents import drawing, fonts, wording
from crm_sales.services.quote_documents.fonts import check_letters, faces

NAMES = {
    "en": ("Acme Ltd.", "Standing desk, oak"),
    "el": ("Παπαδόπουλος & Υιοί Α.Ε.", "Γραφείο όρθιας εργασίας"),
    "pl": ("Żółć i Gęśl sp. z o.o.", "Biurko stojące, dąb"),
    "ru": ("ООО «Ёлка»", "Стол для работы стоя, дуб"),
    "sl": ("Čebelar d.o.o.", "Stoječa miza, hrast"),
    "fa": ("شرکت پیشگامان", "میز ایستاده"),
}
SHOWN = {
    "en": ("Dec 22, 2026", "€1,234.50", "7.5%"),
    "el": ("22 Δεκ 2026", "1.234,50\xa0€", "7,5%"),
    "pl": ("22 gru 2026", "1\xa0234,50\xa0€", "7,5%"),
    "ru": ("22 дек. 2026", "1\xa0234,50\xa0€", "7,5\xa0%"),
    "sl": ("22. dec. 2026", "1.234,50\xa0€", "7,5\xa0%"),
    "fa": ("۱ دی ۱۴۰۵", "۱٬۲۳۴٫۵۰", "۷٫۵٪"),
}


def line(description: str, kind: str = "product", **more: Any) -> dict[str, Any]:
    values = {"kind": kind, "description": description, "is_part": False, "unit": "pcs"}
    numbers = {"quantity": "12.5", "unit_price": "98.76", "discount_percent": "7.5"}
    numbers |= {"tax_percent": "24", "untaxed_amount": "1234.5"}
    return values | {name: Decimal(number) for name, number in numbers.items()} | more


def content(customer: str, product: str, *, lines: int = 0, **more: Any) -> dict[str, Any]:
    sender = {"name": "Trading", "lines": ["Ermou 12"], "foot": "IBAN GR16", "pictures": []}
    taxes = [{"percent": Decimal(24), "amount": Decimal("296.28")}]
    offer = {
        "number": "Q2026-00012",
        "customer": customer,
        "contact": "Ελένη O'Neil",
        "address": ["Οδός Ερμού 5", "11742 Αθήνα"],
        "payment_term": "30 days",
        "seller": "Eleni",
        "seller_email": "eleni@example.com",
        "has_discount": True,
        "made_on": date(2026, 11, 22),
        "valid_until_on": date(2026, 12, 22),
        "lines": [line("Goods", "section"), *[line(product)] * (lines + 1), line("As new", "note")],
        "options": [line("Lamp", discount_percent=Decimal(0))],
        "alternatives": [{"name": "Colour", "lines": [line("Black", is_part=True)]}],
        "untaxed_amount": Decimal("1234.5"),
        "total_amount": Decimal("1530.78"),
        "taxes": taxes,
        "tax_is_estimate": True,
        "terms": "Within a week.\nAll of it.",
    }
    return {"sender": sender | more.pop("sender", {}), "offer": offer | more}


def drawn(what: dict[str, Any], language: str = "en", files: Any = None) -> bytes:
    page = wording.page_of(what, language=language, currency_code="EUR", decimals=2)
    return drawing.draw_pdf(page, wording.style(), faces(), files or {})


def read(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_range() for page in document]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_can_be_read_again_in_each_language(language):
    customer, product = NAMES[language]
    pdf = drawn(content(customer, product), language)
    (text, *_rest) = read(pdf)
    whole = text.replace("\xa0", " ").replace("\u202f", " ")
    for word in (customer, product, "Q2026-00012", "Ελένη O'Neil", "eleni@example.com"):
        assert all(part in whole for part in word.split()), word
    for shown in SHOWN[language]:
        assert all(part in whole for part in shown.replace("\xa0", " ").split()), shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_fills_the_page_and_runs_over_no_edge(language):
    customer, product = NAMES[language]
    long = f"{product} " * 12 + "x" * 300
    with pypdfium2.PdfDocument(drawn(content(customer * 8, long), language)) as document:
        for page in document:
            picture = page.render(scale=1, grayscale=True).to_pil()
            inked = picture.point(lambda grey: 255 if grey < 200 else 0).getbbox()
            assert inked is not None
            start, top, end, bottom = inked
            assert start > 30
            assert top > 30
            assert end < picture.width - 30
            assert bottom < picture.height - 20


def test_persian_runs_from_right_to_left_with_mirrored_tables():
    def places(language: str) -> tuple[float, float]:
        """Where the description and the amount of the line stand, from the left."""
        with pypdfium2.PdfDocument(drawn(content("A", "QQQQ"), language)) as document:
            page = document[0].get_textpage()
            found = page.search("QQQQ").get_next()
            total = page.search({"en": "1,234.50", "fa": "۱٬۲۳۴٫۵۰"}[language]).get_next()
            return page.get_charbox(found[0])[0], page.get_charbox(total[0])[0]

    described, amount = places("en")
    assert described < amount
    described, amount = places("fa")
    assert described > amount


def test_the_same_content_gives_the_same_bytes():
    what = content(*NAMES["fa"])
    assert drawn(what, "fa") == drawn(what, "fa")


def test_many_lines_go_on_over_pages_with_their_headings():
    pages = read(drawn(content("A", "Desk", lines=90)))
    assert len(pages) > 2
    assert sum(page.count("Desk") for page in pages) == 91
    assert all("Description" in page and "IBAN GR16" in page for page in pages[:2])
    assert f"1 / {len(pages)}" in pages[0]


def test_text_from_outside_is_text():
    evil = '<img src="file:///etc/passwd"><script>1</script>{{ 7*7 }}&amp; \u202egnp.exe'
    text = " ".join(read(drawn(content(evil, evil, terms=evil))))
    assert '<img src="file:///etc/passwd">' in text
    assert "{{ 7*7 }}&amp;" in text
    assert "49" not in text
    assert "gnp.exe" in text


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:9/a.png", "crm:other"])
def test_nothing_is_fetched(address):
    with pytest.raises(ConfigurationError, match="Error fetching"):
        drawn(content("A", "B", sender={"pictures": [address]}))


def test_a_letter_that_no_font_has_is_told_never_drawn_as_a_box():
    check_letters("Ελένη Ёлка پچژگ Żółć Č – „x“ €\u200c\xa0", faces())
    with pytest.raises(ConfigurationError, match="漢") as refused:
        check_letters("Acme\nCompany 漢字", faces())
    assert refused.value.details == {"letters": ["U+5B57", "U+6F22"]}
    assert "Company" in refused.value.message


def test_a_font_or_library_that_is_missing_is_told(monkeypatch, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        faces((str(tmp_path / "none.ttf"),))
    monkeypatch.setattr(fonts, "_folders", lambda: [tmp_path])
    faces.cache_clear()
    with pytest.raises(ConfigurationError, match="fonts-dejavu-core"):
        faces()
    faces.cache_clear()
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        drawing.library()
