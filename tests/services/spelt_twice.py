"""The same contacts as two sides hold them: spelt differently, each known by another trait."""

from __future__ import annotations

from typing import Any, NamedTuple

FIRST = (
    ("Ελένη", "Eleni"),
    ("Γιώργος", "GIORGOS"),
    ("علي", "علی"),
    ("Małgorzata", "Malgorzata"),
    ("Zoë", "ZOE"),
)
SURNAMES = (
    ("Παπαδάκη", "Papadaki"),
    ("O’Neil", "O'Neil"),
    ("احمدي", "احمدی"),
    ("Wiśniewska", "WISNIEWSKA"),
    ("Müller", "Muller"),
)
FORMS = (("Α.Ε.", "AE"), ("Sp. z o.o.", "sp.z o.o."), ("GmbH", "G.m.b.H."), ("d.o.o.", "doo"))
STREETS = (("Οδός Ερμού", "Ermou"), ("Hauptstraße", "Hauptstr."), ("ul. Lipowa", "Lipowa"))
SYLLABLES = ("ba", "ko", "li", "mu", "ne", "ri", "sa", "to", "ve", "za")


class Contact(NamedTuple):
    """One contact: what is created here, and the columns of its row there."""

    ours: dict[str, Any]
    theirs: dict[str, str]


def contacts(count: int) -> list[Contact]:
    """Return so many contacts; one in five each is known by VAT, reference, e-mail, phone, name."""
    return [_contact(number) for number in range(count)]


def _contact(number: int) -> Contact:
    digits = f"{number:03}"
    own = "".join(SYLLABLES[int(digit)] for digit in digits).title()
    here, there = 0, 1
    if number % 5 == 0:
        form = FORMS[number // 5 % len(FORMS)]
        vat = f"BE{10_000_000 + number}{97 - (10_000_000 + number) % 97:02}"
        return _made("company", f"{own} Trade {form[here]}", f"{own.upper()} TRADE {form[there]}",
                     {"vat": f"{vat[:6]}.{vat[6:]}"}, {"vat": vat})  # fmt: skip
    first, last = FIRST[number // 5 % 5], SURNAMES[number // 25 % 5]
    names = f"{first[here]} {last[here]} {own}", f"{own} {last[there]} {first[there]}"
    if number % 5 == 1:
        return _made("person", *names, {"reference": f"K-{number}"}, {"reference": f"k {number}"})
    if number % 5 == 2:
        email = f"mail{number}@example.org"
        return _made("person", *names, {"email": email}, {"email": f"MAIL{number}@Example.org"})
    if number % 5 == 3:
        phone = f"+30 210 {4_000_000 + number}"
        return _made("person", *names, {"phone": phone}, {"phone": f"0030210{4_000_000 + number}"})
    street, code = STREETS[number % 3], f"{10_000 + number}"
    return _made(
        "person",
        *names,
        {"addresses": [{"use": "main", "street": f"{street[here]} {number}", "postal_code": code}]},
        {"street": f"{street[there].upper()} {number}", "postal_code": f"{code[:3]} {code[3:]}"},
    )


def _made(kind: str, here: str, there: str, ours: Any, theirs: Any) -> Contact:
    points = [
        {"kind": each, "value": ours.pop(each)} for each in ("email", "phone") if each in ours
    ]
    if points:
        ours["contact_points"] = points
    return Contact({"kind": kind, "name": here, **ours}, {"kind": kind, "name": there, **theirs})
