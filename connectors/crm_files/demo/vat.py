"""VAT numbers that pass their country's check; none is anybody's on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random


def _weighted(
    prefix: str, weights: Sequence[int], check: Callable[[int], int]
) -> Callable[[Random], str]:
    """Return what makes numbers whose last digit follows from a weighted sum of the others."""

    def make(random: Random) -> str:
        while True:
            digits = [random.randint(1, 9), *(random.randint(0, 9) for _ in weights[1:])]
            last = check(sum(w * d for w, d in zip(weights, digits, strict=True)))
            if 0 <= last <= 9:
                return prefix + "".join(map(str, (*digits, last)))

    return make


greek = _weighted("EL", (256, 128, 64, 32, 16, 8, 4, 2), lambda total: total % 11 % 10)
polish = _weighted("PL", (6, 5, 7, 2, 3, 4, 5, 6, 7), lambda total: total % 11)
slovenian = _weighted("SI", (8, 7, 6, 5, 4, 3, 2), lambda total: 11 - total % 11)
russian = _weighted("", (2, 4, 10, 3, 5, 9, 4, 6, 8), lambda total: total % 11 % 10)


def british(random: Random) -> str:
    """Seven digits and two that make the weighted sum a multiple of 97."""
    digits = [random.randint(1, 9), *(random.randint(0, 9) for _ in range(6))]
    total = sum(weight * digit for weight, digit in zip(range(8, 1, -1), digits, strict=True))
    return f"GB{''.join(map(str, digits))}{97 - total % 97:02d}"


def persian(random: Random) -> str:
    """Eleven digits, as legal persons have in Iran."""
    return f"10{random.randrange(10**9):09d}"
