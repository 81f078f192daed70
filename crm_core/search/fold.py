"""Making spellings equal: one folding for what is stored and for what is asked, in any script.

>>> fold("Ελένη ΠΑΠΑΔΟΠΟΎΛΟΥ"), fold("Łódź"), fold("۱۲۳")
('ελενη παπαδοπουλου', 'lodz', '123')
>>> tokens("O’Neil, T-Mobile")
['oneil', 'neil', 'tmobile', 'mobile']
"""

from __future__ import annotations

import unicodedata

JOINER = "'"
"""What apostrophes and the zero-width non-joiner fold to: it may be written or left out."""

_APOSTROPHES = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u2018\u2019\u201b\u2032\u055a\u05f3\u200c"
_LETTERS = {
    # No decomposition takes the stroke or the tie off these.
    **dict(
        zip("łđøıħŧðœæþŋƒȷɨʉəɛɔ", "l d o i h t d oe ae th n f j i u e e o".split(), strict=True)
    ),
    # Arabic forms become the Persian ones; alefs with a sign lose it by decomposition.
    **dict.fromkeys("كڪ", "ک"),
    **dict.fromkeys("يىېے", "ی"),
    **dict.fromkeys("ةەہھۂۃ", "ه"),
    "ٱ": "ا",
    "ـ": "",
}
_SHORT_I = "й"
"""The one letter that keeps its mark: Russian sorts and types it as a letter of its own."""

_FIRST_SYMBOL = 0x2190
"""From here on a symbol (emoji) is something to search for; below it is punctuation (© ®)."""


class _Folds(dict[int, str]):
    """Code point to folded text, worked out on first use, for ``str.translate``."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = self._folded(chr(code))
        return folded

    def _folded(self, sign: str) -> str:
        if sign in _LETTERS:
            return _LETTERS[sign]
        if sign in _APOSTROPHES:
            return JOINER
        category = unicodedata.category(sign)
        if category == "Nd":
            return str(unicodedata.decimal(sign))
        if category[0] == "Z" or category in ("Cc", "Cs"):
            return " "
        if category == "Cf" or unicodedata.combining(sign) or _is_variation_selector(sign):
            return ""
        plain = unicodedata.normalize("NFKD", sign.casefold())
        if sign in (plain, _SHORT_I):
            return sign
        if sign.casefold() == _SHORT_I:
            return _SHORT_I
        return "".join(self[ord(part)] for part in plain)


class _Words(dict[int, str]):
    """Code point to itself where it may stand in a word, else to a space."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        category = unicodedata.category(sign)
        symbol = category == "So" and code >= _FIRST_SYMBOL
        self[code] = sign if category[0] in "LMN" or symbol else " "
        return self[code]


def _is_variation_selector(sign: str) -> bool:
    return "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


_FOLDS = _Folds()
_WORDS = _Words()


def fold(text: str) -> str:
    """Return ``text`` as search compares it; folding twice changes nothing.

    Case, accents and compatibility forms go (й alone keeps its mark), letters such as ł and æ
    become plain, Arabic letters take their Persian form, digits of any script become ASCII,
    apostrophes and the zero-width non-joiner become ``'``. Punctuation stays.
    """
    if text.isascii() and text.isprintable():
        return text.lower().replace("`", JOINER)
    # The spacing acute would fall apart into a space and an accent.
    return unicodedata.normalize("NFKC", text.replace("\u00b4", JOINER)).translate(_FOLDS)


def chunks(text: str) -> list[list[str]]:
    """Return the words of each run without spaces: ``"Kos T-Mobile"`` → ``[[kos], [t, mobile]]``.

    Words hold letters, digits and symbols only, so nothing in them means anything to a database.
    """
    found = []
    for chunk in fold(text).split():
        if chunk.isalnum():
            found.append([chunk])
        elif words := chunk.translate(_WORDS).split():
            found.append(words)
    return found


def tokens(text: str) -> list[str]:
    """Return what a text is found by: each run without spaces joined, then its later words.

    Its first word needs no token of its own: the joined one begins with it.
    """
    found: list[str] = []
    for words in chunks(text):
        if len(words) == 1:
            found.append(words[0])
        else:
            found.append("".join(words))
            found.extend(words[1:])
    return found


def joined(text: str) -> str:
    """Return all letters and digits of a text in one word, as for ``SI 1234.5678``."""
    return "".join(fold(text).translate(_WORDS).split())


def name_key(text: str) -> str:
    """Return what names sort and begin by: folded words, one space between, apostrophes gone."""
    return " ".join(fold(text).replace(JOINER, "").translate(_WORDS).split())
