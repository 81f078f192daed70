"""The same table of cases on both databases; order, pages, and what may not be asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from crm_core.access import Actor
from crm_core.entities import Customer
from crm_core.errors import InputError, PermissionDeniedError
from crm_core.persistence.database import Database
from crm_core.persistence.unit_of_work import UnitOfWork, unit_of_work
from crm_core.search import find as search_find
from crm_core.services.search import search_customers

ELENI, LUKASZ, DORDE = "Ελένη Παπαδοπούλου", "Łukasz Żółć-Wiśniewski", "Đorđe Đoković"
ORESUND, FEDOR, KARIM = "Øresund Ærø A/S", "Фёдор Андрейчук", ("كريم يحيى", "کریم یحیی زاده")
KHAHAM, SHERKAT, NEIL = "می‌خواهم بازرگانی", "شرکت ۱۲۳", "Patrick O’Neil"
DART, ANA, BANANA, NAN = "D'Artagnan d.o.o.", "Ana Kos", "Banana & Sons", "Nan Q"
HUNDRED, ROSE, STREET = "100% Discount_Store * OR", "Kos 🌹 Studio 54", "Straße ＦＵＬＬ"

CASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Greek, with and without tonos, final sigma in the middle of a query
    *(
        (text, (ELENI,))
        for text in ("ελενη", "ΕΛΈΝΗ", "Ελένη παπ", "παπαδοπουλου", "δοπουλ", "πα ε")
    ),
    # Latin letters with strokes, ligatures, capitals
    *((text, (LUKASZ,)) for text in ("lukasz", "ŁUKASZ", "zolc", "Żółć", "wisniewski", "zolcwis")),
    *((text, (LUKASZ,)) for text in ("żółć wiśniewski", "Żółć-Wiśniewski", "niew", "wi lu")),
    *((text, (DORDE,)) for text in ("dorde", "Đorđe", "dokovic", "đok")),
    *(
        (text, (ORESUND,))
        for text in ("oresund", "ØRESUND", "aero", "Ærø", "oresund A/S", "oresund a s")
    ),
    *((text, (STREET,)) for text in ("strasse", "straße", "STRASSE full", "ｆｕｌｌ")),
    # Cyrillic: ё is е, й is not и
    *((text, (FEDOR,)) for text in ("федор", "Фёдор", "андрейчук", "рейч")),
    ("андреичук", ()),
    # Persian and Arabic: kaf and yeh in both forms, zero-width non-joiner, digits
    *((text, KARIM) for text in ("کریم", "كريم", "یحیی", "يحيى", "کریم يح")),
    *((text, (KHAHAM,)) for text in ("می‌خواهم", "میخواهم", "می خواهم", "خواهم", "بازرگانى")),
    *((text, (SHERKAT,)) for text in ("۱۲۳ شرکت", "شركت 123", "شرکت ١٢٣")),
    # Apostrophes may be anything or missing
    *(
        (text, (NEIL,))
        for text in ("oneil", "o'neil", "O’Neil", "o neil", "OʼNEIL", "neil", "pat o")
    ),
    *((text, (DART,)) for text in ("dartagnan", "d'artagnan", "d artagnan", "artagnan")),
    *((text, (DART,)) for text in ("dartagnan d.o.o.", "dartagnan doo", "d artagnan d o o")),
    # E-mail: whole, local part, domain, inside
    *(
        (text, (ANA,))
        for text in ("ana.kos@example.com", "ANA.KOS@EXAMPLE.COM", "ana.kos", "a.kos@")
    ),
    *((text, (ANA,)) for text in ("@example.com", "example.com", "ana kos@exam")),
    *(
        (text, (NEIL,))
        for text in ("p.oneil+crm@mail.example", "oneil+crm", "mail.example", "+crm@")
    ),
    ("banana.example", (BANANA,)),
    ("@kosinski", (ROSE,)),
    # Phones, with every prefix and grouping
    *(
        (text, (ANA,))
        for text in ("+386 40 123 456", "00386 40 123 456", "0038640123456", "040123456")
    ),
    *(
        (text, (ANA,))
        for text in ("040 123 456", "(040) 123-456", "+386 (0)40 123456", "40/123.456")
    ),
    *((text, (ANA,)) for text in ("123456", "ana 040 123 456", "040 123 456 kos", "۰۴۰ ۱۲۳ ۴۵۶")),
    *(
        (text, (FEDOR,))
        for text in ("8 (495) 987-65-43", "+7 495 9876543", "84959876543", "4959876543")
    ),
    *((text, (DORDE,)) for text in ("064 987 1234", "+381649871234")),
    *((text, (KHAHAM,)) for text in ("021 88776655", "۰۲۱۸۸۷۷۶۶۵۵", "00982188776655")),
    # VAT and reference, grouped or not
    *(
        (text, (DART,))
        for text in ("SI55517779", "si 5551 7779", "SI-55517779", "55517779", "7779")
    ),
    *((text, (ORESUND,)) for text in ("DK87654321", "DK 87 65 43 21", "dk-8765.4321")),
    *((text, (LUKASZ,)) for text in ("K-0042/7", "K 0042 7", "k00427", "0042", "K0042")),
    *((text, (STREET,)) for text in ("REF 12 A", "ref12a", "REF-12-A", "ref 12")),
    # One to three letters: beginnings of words; from three on, inside too
    ("n", (NAN, NEIL)),
    ("na", (NAN,)),
    ("nan", (NAN, BANANA, DART)),
    ("q", (NAN,)),
    ("q n", (NAN,)),
    ("k", (ROSE, ANA, LUKASZ)),
    ("kos", (ROSE, ANA)),
    ("kos a", (ANA,)),
    ("фё", (FEDOR,)),
    ("ان", ()),
    ("کر", KARIM),
    # Operators, quotes and wildcards are no more than what stands between words
    *(
        (text, (HUNDRED,))
        for text in ("100%", "discount_store", "store * or", '"discount" OR "store"')
    ),
    *((text, (HUNDRED,)) for text in ("discount' or", "-store", "disc*", "(100)", "^100", "1% d")),
    *(
        (text, ())
        for text in ("k%n", "k_n", "words:ana", "ana NOT kos", "NEAR(ana kos)", "ana\\kos x")
    ),
    ("'; DROP TABLE core_customer; --", ()),
    ("ana\x00kos", (ANA,)),
    # Symbols
    ("🌹", (ROSE,)),
    ("studio 54", (ROSE,)),
    # Nothing of the kind
    *((text, ()) for text in ("zzqx", "ana zzqx", "0999999999", "nobody@nowhere.example", "ξξξ")),
)


def found(uow: UnitOfWork, text: str, **options: object) -> list[str]:
    return [hit.name for hit in search_customers(uow, text, **options).items]  # type: ignore[arg-type]


def test_the_table_of_cases(people: Database, system: Actor) -> None:
    with unit_of_work(people, actor=system) as uow:
        wrong = [
            (text, expected, names)
            for text, expected in CASES
            if (names := found(uow, text)) != list(expected)
        ]
    assert wrong == []


def test_a_hit_shows_what_a_list_needs_and_where_it_matched(
    people: Database, system: Actor
) -> None:
    with unit_of_work(people, actor=system) as uow:
        (hit,) = search_customers(uow, "ana.kos@example.com").items
        assert (hit.name, hit.email, hit.phone) == (ANA, "Ana.Kos@Example.com", "+38640123456")
        assert (hit.kind, hit.city, hit.archived, hit.owner_id) == ("company", None, False, None)
        assert hit.matched == "email"
        assert search_customers(uow, "ana").items[0].matched == "name"
        assert search_customers(uow, "dk 87654321").items[0].matched == "vat"
        assert search_customers(uow, "040 123 456").items[0].matched == "phone"


@pytest.mark.parametrize("read_on", [0, 1, 2, 100])
def test_pages_go_through_all_three_stages_without_a_gap_or_a_repeat(
    database: Database,
    system: Actor,
    add_customer: Callable[..., Customer],
    monkeypatch: pytest.MonkeyPatch,
    read_on: int,
) -> None:
    monkeypatch.setattr(search_find, "READ_ON", read_on)
    names = [
        f"{first} {last}" for first in ("Mar", "Ana", "Omar") for last in ("Marn", "Kmar", "Zo")
    ]
    with unit_of_work(database, actor=system, write=True) as uow:
        for name in names:
            add_customer(uow, name)
        uow.commit()
    with unit_of_work(database, actor=system) as uow:
        whole = found(uow, "mar")
        assert all(found(uow, "mar", limit=n) == whole[:n] for n in range(1, len(whole)))
        pages, cursor = [], None
        while True:
            page = search_customers(uow, "mar", limit=2, cursor=cursor)
            pages.append([hit.name for hit in page.items])
            cursor = page.next_cursor
            if cursor is None:
                break
    assert whole == [
        *("Mar Kmar", "Mar Marn", "Mar Zo"),
        *("Ana Marn", "Omar Marn"),
        *("Ana Kmar", "Omar Kmar", "Omar Zo"),
    ]
    assert [name for page in pages for name in page] == whole
    assert [len(page) for page in pages] == [2, 2, 2, 2]


@pytest.mark.parametrize("text", ["", "   ", "%", "'\"", "--", "\u200c", "\x00"])
def test_nothing_to_look_for_is_refused(
    sqlite_database: Database, system: Actor, text: str
) -> None:
    with unit_of_work(sqlite_database, actor=system) as uow:
        with pytest.raises(InputError) as refusal:
            search_customers(uow, text)
    assert refusal.value.code == "core.search.empty"


def test_a_query_of_ten_kilobytes_is_refused(sqlite_database: Database, system: Actor) -> None:
    with unit_of_work(sqlite_database, actor=system) as uow:
        with pytest.raises(InputError, match="200") as refusal:
            search_customers(uow, "a" * 10_000)
    assert refusal.value.code == "core.search.too_long"


@pytest.mark.parametrize("cursor", ["x", "é", "WzFd", "bnVsbA", "WzAsIiIsbnVsbF0"])
def test_a_foreign_cursor_is_refused(sqlite_database: Database, system: Actor, cursor: str) -> None:
    with unit_of_work(sqlite_database, actor=system) as uow:
        with pytest.raises(InputError) as refusal:
            search_customers(uow, "ana", cursor=cursor)
    assert refusal.value.code == "core.page.cursor"


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_has_bounds(sqlite_database: Database, system: Actor, limit: int) -> None:
    with unit_of_work(sqlite_database, actor=system) as uow, pytest.raises(InputError):
        search_customers(uow, "ana", limit=limit)


def test_the_right_is_needed(sqlite_database: Database) -> None:
    with unit_of_work(sqlite_database, actor=Actor(None, "nobody")) as uow:
        with pytest.raises(PermissionDeniedError):
            search_customers(uow, "ana")


def test_archived_customers_are_found_on_demand(people: Database, system: Actor) -> None:
    with unit_of_work(people, actor=system, write=True) as uow:
        ana = uow.scalar(select(Customer).where(Customer.name == ANA))
        ana.archived_at = uow.now
        uow.commit()
        assert found(uow, "ana kos") == []
        assert found(uow, "ana kos", include_archived=True) == [ANA]
        (hit,) = search_customers(uow, "ana kos", include_archived=True).items
        assert hit.archived
