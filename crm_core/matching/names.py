"""Names as words that can be compared: legal forms and titles gone, one script where it can be.

>>> name_words("ООО «Ромашка»", "company"), name_words("Romashka Sp. z o.o.", "company")
(('romashka',), ('romashka',))
>>> name_words("Δρ. Ελένη Παπαδοπούλου", "person")
('eleni', 'papadopoulou')
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz

from crm_core.search.fold import name_key

LEGAL_FORMS = frozenset(
    """
    gmbh mbh ggmbh ag kg kgaa ohg ug gbr ev ek haftungsbeschrankt co cie ltd limited llc llp lp plc
    inc incorporated corp corporation company pty pvt bhd sdn sa sas sasu sarl eurl snc sca srl srls
    spa sapa sl slu sll sau bv nv vof cv bvba oy oyj ab hb as asa aps ehf hf ou uab sia sro spol dd
    doo jdoo dno kft zrt nyrt bt spzoo spj spk spp sp zoo eood ood ad ead et lda ltda eireli sc scs
    se ae epe oe ee ike mepe
    αε επε οε εε ικε μεπε αβεε αεβε αβετε εταιρεια εταιρια ανωνυμη μονοπροσωπη
    ооо оао зао пао ао ип чп тов тзов пп ат прат доо ад оод еоод ед ет акционерное общество
    شرکت شرکه سهامی خاص عام مسیولیت محدود با
    """.split()
)
"""As they are written once folded and with single letters joined (``Α.Ε.`` is ``αε``)."""
TITLES = frozenset(
    """
    mr mrs ms miss dr prof mag ing dipl herr frau dhr mevr mme mlle sr sra sig pan pani gospod
    κος κα κυριος κυρια δρ καθ господин госпожа др
    اقای خانم دکتر مهندس
    """.split()
)
AND = frozenset({"and", "und", "et", "y", "i", "και", "и", "و", "en", "og", "och"})
DIFFERENT_NUMBER = 60
"""How alike names are at most whose numbers differ: Pharmacy 12 is not Pharmacy 13."""
SPACED_DIFFERENTLY = 97
INITIAL = 88
"""How alike a word is to its first letter."""
LEAST_WORD_ADDS = 10
"""By how much names may be more alike than their least alike word: Maria is not Marios."""

_DIGRAPHS = (("ου", "ou"), ("αυ", "av"), ("ευ", "ev"), ("μπ", "b"), ("γγ", "ng"))
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "a v g d e z i th i k l m n x o p r s t y f ch ps o".split(),
        strict=True,
    )
)
_CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяђјљњћџіїєґё",
        "a b v g d e zh z i i k l m n o p r s t u f kh ts ch sh shch - y - e yu ya "
        "dj j lj nj c dz i i ie g e".split(),
        strict=True,
    )
)
_ROMAN = str.maketrans({k: v.replace("-", "") for k, v in (_GREEK | _CYRILLIC).items()})


def romanised(text: str) -> str:
    """Return folded text with Greek and Cyrillic letters as Latin ones; other scripts stay."""
    if text.isascii():
        return text
    for greek, latin in _DIGRAPHS:
        text = text.replace(greek, latin)
    return text.translate(_ROMAN)


def name_words(name: str, kind: str) -> tuple[str, ...]:
    """Return the words of a name that tell it from others, in order; at least one.

    Args:
        name: As typed.
        kind: ``company`` names lose their legal form and "and", ``person`` names their titles.
    """
    words = name_key(name).split()
    if kind == "company":
        words = [word for word in _letters_joined(words) if word not in AND] or words
        dropped = LEGAL_FORMS
    else:
        dropped = TITLES
    found = _without_ends(words, dropped)
    return tuple(filter(None, map(romanised, found))) or (name.strip().casefold() or "?",)


def _letters_joined(words: Sequence[str]) -> Iterator[str]:
    """Join runs of single letters: ``d o o`` becomes ``doo``."""
    run = ""
    for word in words:
        if len(word) == 1 and not word.isdecimal():
            run += word
            continue
        if run:
            yield run
            run = ""
        yield word
    if run:
        yield run


def _without_ends(words: list[str], dropped: frozenset[str]) -> list[str]:
    """Drop words at both ends, but never the last one left."""
    first, last = 0, len(words)
    while last - first > 1:
        if words[last - 1] in dropped:
            last -= 1
        elif last - first > 2 and "".join(words[last - 2 : last]) in dropped:  # Sp. j.
            last -= 2
        else:
            break
    while last - first > 1 and words[first] in dropped:
        first += 1
    return words[first:last]


def likeness(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how alike two names are, 0 to 100, whatever the order of their words.

    Words are paired, the most alike first. A word without a partner counts against it, and so
    does the least alike pair.
    """
    if left == right:
        return 100
    a, b = sorted((sorted(left), sorted(right)))
    if a == b:
        return 100
    if _numbers(a) != _numbers(b):
        return min(DIFFERENT_NUMBER, _aligned(a, b))
    if "".join(left) == "".join(right):
        return SPACED_DIFFERENTLY
    return _aligned(a, b)


def _numbers(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.isdecimal()]


def _aligned(a: list[str], b: list[str]) -> int:
    alike = sorted(
        ((_word_likeness(x, y), i, j) for i, x in enumerate(a) for j, y in enumerate(b)),
        key=lambda each: (-each[0], each[1], each[2]),
    )
    free_a, free_b = set(range(len(a))), set(range(len(b)))
    points, least = 0.0, 100.0
    for score, i, j in alike:
        if i in free_a and j in free_b:
            free_a.discard(i)
            free_b.discard(j)
            points += score * (len(a[i]) + len(b[j]))
            least = min(least, score)
    letters = sum(map(len, a)) + sum(map(len, b))
    return int(min(points / letters, least + LEAST_WORD_ADDS))


def _word_likeness(x: str, y: str) -> float:
    if x == y:
        return 100.0
    if 1 in (len(x), len(y)) and x[0] == y[0]:
        return INITIAL
    return fuzz.ratio(x, y)
