"""Matching two sides that hold the same customers, spelt differently.

python bench/match_customers.py --size 100000

Each side holds ``--size`` customers, nine tenths of them the same. What is written differently:
legal forms, accents, script, word order, a letter here and there, streets, phone numbers; values
are missing on one side. A quarter share name and town with another. Told are time, peak memory,
precision (how many of the pairs are right) and recall (how many of the same were paired; and how
many at least were left for a person).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRECISION, RECALL = 0.999, 0.95
SECONDS = 300.0
PER_RECORD_KIB = 6.0
"""Memory for each further record of both sides."""
JUDGED_FROM = 20_000
SHARED = 0.9
FIRST = (
    "Eleni Ελένη Maria Μαρία Giorgos Γιώργος Nikos Νίκος Anna Άννα Kostas Κώστας Sofia Σοφία "
    "Łukasz Małgorzata Zbigniew Agnieszka Željko Ivana Marko Petra Сергей Ольга Наталья Дмитрий "
    "علی فاطمه رضا زهرا John Emily Jürgen Zoë François Inès Søren Åsa"
).split()
LAST = (
    "Papadopoulos Παπαδόπουλος Papadopoulou Γεωργίου Ιωάννου Nikolaou Kowalski Wiśniewska Wójcik "
    "Dąbrowski Horvat Šimić Kovačević Иванов Петрова Смирнов Кузнецова احمدی حسینی کریمی Smith "
    "O'Neil Müller Weiß Dupont Lefèvre Sørensen Lindström Rossi Bianchi Novák Dvořáková"
).split()
SYLLABLES = (
    "ba be bi bo da de di do ka ke ki ko la le li lo ma me mi mo na ne no ra re ri ro".split()
)
TRADES = "Trans Bau Foods Medical Textil Optik Energy Print Marine Consult Garten Solar".split()
FORMS = {
    "GR": ("Α.Ε.", "ΑΕ", "S.A."),
    "PL": ("Sp. z o.o.", "sp. z o. o.", "Sp.z o.o."),
    "DE": ("GmbH", "GmbH & Co. KG", "gmbh"),
    "SI": ("d.o.o.", "doo", "D.O.O."),
    "GB": ("Ltd", "Limited", "Ltd."),
}
TOWNS = {
    "GR": (("Athens", "Αθήνα", "105"), ("Thessaloniki", "Θεσσαλονίκη", "546")),
    "PL": (("Łódź", "Lodz", "90-"), ("Kraków", "Krakow", "30-")),
    "DE": (("München", "Muenchen", "803"), ("Köln", "Koeln", "506")),
    "SI": (("Ljubljana", "LJUBLJANA", "100"), ("Maribor", "maribor", "200")),
    "GB": (("London", "LONDON", "N1 "), ("Leeds", "leeds", "LS1 ")),
}
STREETS = "Ermou Stadiou Hauptstraße Lipowa Kosovelova Garden Mill Church Parkowa Akadimias".split()

Record = dict[str, Any]


def original(number: int, chance: random.Random) -> Record:
    """Make a customer as it is."""
    country = chance.choice(list(FORMS))
    town = chance.choice(TOWNS[country])
    is_company = chance.random() < 0.5
    if is_company:
        own = "".join(chance.choices(SYLLABLES, k=chance.randint(3, 5))).title()
        name = f"{own} {chance.choice(TRADES)}"
    else:
        name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    return {
        "number": number,
        "kind": "company" if is_company else "person",
        "name": name,
        "vat": f"{country}{100_000_000 + number}" if is_company else None,
        "reference": f"C{number:06}",
        "email": f"{chance.choice(('info', 'office', 'mail'))}{number}@example{number % 97}.com",
        "phone": f"+30210{chance.randrange(1_000_000, 9_999_999)}",
        "street": f"{chance.choice(STREETS)} {chance.randint(1, 200)}",
        "postal_code": f"{town[2]}{chance.randint(10, 99)}",
        "town": town,
        "country": country,
    }


def written(record: Record, side: int, chance: random.Random) -> Record:
    """Return a customer as one side writes it, with what that side happens to know of it."""

    def known(name: str, share: float) -> Any:
        return record[name] if chance.random() < share else None

    phone = known("phone", 0.6)
    points = [("email", known("email", 0.6)), ("phone", phone and _phone(phone, side))]
    has_place = chance.random() < 0.95
    return {
        "kind": record["kind"],
        "name": _name(record, side, chance),
        "vat": known("vat", 0.5),
        "reference": known("reference", 0.2),
        "contact_points": [{"kind": kind, "value": value} for kind, value in points if value],
        "address": {
            "street": _street(record["street"], side),
            "postal_code": record["postal_code"],
            "city": record["town"][side],
            "country_code": record["country"],
        }
        if has_place
        else None,
    }


def _name(record: Record, side: int, chance: random.Random) -> str:
    name: str = record["name"]
    if chance.random() < 0.15:
        place = chance.randrange(1, len(name))
        name = name[:place] + name[place + 1 :]  # a letter is missing
    if record["kind"] == "company":
        return f"{name} {chance.choice(FORMS[record['country']])}"
    if side and chance.random() < 0.5:
        name = " ".join(reversed(name.split(" ", 1)))
    return name.upper() if side and chance.random() < 0.3 else name


def _phone(phone: str, side: int) -> str:
    return f"0030 {phone[3:6]} {phone[6:]}" if side else phone


def _street(street: str, side: int) -> str:
    return f"{street.replace('straße', 'str.').upper()}" if side else street


def sides(size: int) -> tuple[list[Any], list[Any]]:
    """Return both sides, comparable, the second in an order of its own; keys tell who is who."""
    from crm_core.matching import features_of

    chance = random.Random(size)
    new = size - round(size * SHARED)
    left, right = [], []
    for number in range(size + new):
        record = original(number, chance)
        if number < size:
            left.append(features_of(number, written(record, 0, chance), region="GR"))
        if number >= new:
            right.append(features_of(number, written(record, 1, chance), region="GR"))
    chance.shuffle(right)
    return left, right


def measure(size: int) -> dict[str, Any]:
    """Match two sides in this process and return all figures."""
    from crm_core.matching import match, verdict

    begin = time.perf_counter()
    left, right = sides(size)
    built = time.perf_counter()
    found = match(left, right)
    done = time.perf_counter()
    same = round(size * SHARED)
    right_pairs = [pair for pair in found.pairs if pair.left == pair.right]
    shown = {pair.left for pair in found.undecided if pair.left == pair.right}
    verdicts: dict[str, list[bool]] = {}
    for pair in found.pairs:
        verdicts.setdefault(verdict(pair.score), []).append(pair.left == pair.right)
    return {
        "build": built - begin,
        "match": done - built,
        "pairs": len(found.pairs),
        "undecided": len(found.undecided),
        "left_out": len(found.left_out),
        "precision": len(right_pairs) / max(1, len(found.pairs)),
        "recall": len(right_pairs) / same,
        "shown": (len(right_pairs) + len(shown)) / same,
        "verdicts": {word: [len(each), sum(each)] for word, each in verdicts.items()},
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """Return the most memory this process ever held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would tell the parent's peak where that was higher: exec keeps it.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(size: int) -> dict[str, Any]:
    """Run :func:`measure` in a process of its own, for its memory."""
    command = [sys.executable, __file__, "--child", str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def judge(size: int, told: Callable[[str], None]) -> bool:
    """Measure a fifth of the size and all of it, tell the figures, and say whether they will do."""
    small, full = in_child(max(1, size // 5)), in_child(size)
    growth = (full["peak_mib"] - small["peak_mib"]) * 1024 / (2 * (size - max(1, size // 5)) or 1)
    told(f"{size:,} against {size:,}: {full['match']:.1f} s matching, {full['build']:.1f} s before")
    told(
        f"  {full['pairs']:,} pairs, {full['undecided']:,} left for a person, "
        f"{full['left_out']:,} keys left out for being too common"
    )
    for word, (count, correct) in full["verdicts"].items():
        told(f"  {word}: {count:,} pairs, {correct / count:.3%} of them right")
    told(
        f"  precision {full['precision']:.3%} (goal {PRECISION:.1%}), recall {full['recall']:.2%} "
        f"(goal {RECALL:.0%}); with those left for a person {full['shown']:.2%}"
    )
    told(
        f"  peak memory: {small['peak_mib']:.0f} MiB at {size // 5:,}, {full['peak_mib']:.0f} MiB "
        f"at {size:,}: {growth:.1f} KiB a further record (goal {PER_RECORD_KIB:.0f})"
    )
    is_good = full["precision"] >= PRECISION and full["recall"] >= RECALL
    return is_good and full["match"] <= SECONDS and growth <= PER_RECORD_KIB


def main() -> int:
    """Run the bench; 1 when it is large enough to be judged and misses a goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(measure(chosen.child)))
        return 0
    met = judge(chosen.size, print)
    return 1 if chosen.size >= JUDGED_FROM and not met else 0


if __name__ == "__main__":
    sys.exit(main())
