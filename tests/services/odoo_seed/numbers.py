"""Tax numbers with valid check digits, made from a counter: nobody's, but every check passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def vat_number(country: str, counter: int) -> str:
    """A valid number of the country's form; empty where companies have none."""
    maker = _MAKERS.get(country)
    return maker(counter) if maker else ""


def _digits(counter: int, length: int, seed: int) -> list[int]:
    # A large odd step spreads the counter over the digits, so that no two look alike.
    number = (seed + counter * 7_368_787) % 10 ** (length - 1)
    return [int(digit) for digit in f"{10 ** (length - 1) * (1 + counter % 8) + number}"[:length]]


def _weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True))


def _text(prefix: str, digits: Sequence[int], *check: int) -> str:
    return prefix + "".join(map(str, [*digits, *check]))


def _greek(counter: int) -> str:
    digits = [0, *_digits(counter, 7, 94_259_2)]
    return _text("EL", digits, _weighted(digits, [2**power for power in range(8, 0, -1)]) % 11 % 10)


def _polish(counter: int) -> str:
    digits = _digits(counter, 9, 526_104_0)
    check = _weighted(digits, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11
    return _polish(counter + 1000) if check == 10 else _text("PL", digits, check)


def _slovenian(counter: int) -> str:
    digits = _digits(counter, 7, 15_012_3)
    check = 11 - _weighted(digits, (8, 7, 6, 5, 4, 3, 2)) % 11
    return _slovenian(counter + 1000) if check == 11 else _text("SI", digits, check % 10)


def _german(counter: int) -> str:
    digits = _digits(counter, 8, 136_695_9)
    product = 10
    for digit in digits:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return _text("DE", digits, (11 - product) % 10)


def _french(counter: int) -> str:
    digits = _digits(counter, 8, 404_833_0)
    doubled = [
        sum(divmod(digit * (2 if index % 2 else 1), 10)) for index, digit in enumerate(digits)
    ]
    siren = _text("", digits, -sum(doubled) % 10)
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"


def _british(counter: int) -> str:
    digits = _digits(counter, 7, 980_780_1)
    check = 97 - _weighted(digits, (8, 7, 6, 5, 4, 3, 2)) % 97
    return _text("GB", digits) + f"{check:02d}"


def _russian(counter: int) -> str:
    digits = _digits(counter, 9, 770_708_3)
    return _text("", digits, _weighted(digits, (2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10)


def _iranian(counter: int) -> str:
    digits = _digits(counter, 10, 101_003_1)
    shifted = [digit + digits[-1] + 2 for digit in digits]
    check = _weighted(shifted, (29, 27, 23, 19, 17, 29, 27, 23, 19, 17)) % 11 % 10
    return _text("", digits, check)


_MAKERS: dict[str, Callable[[int], str]] = {
    "GR": _greek,
    "PL": _polish,
    "SI": _slovenian,
    "DE": _german,
    "FR": _french,
    "GB": _british,
    "RU": _russian,
    "IR": _iranian,
}
