"""The letters that documents are set in, and whether they have all that a text needs.

A letter that no font has would be printed as an empty box, so it is refused before.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from crm_core.errors import ConfigurationError
from crm_core.messages import n, t

FAMILY, REGULAR, BOLD = "DejaVu Sans", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
"""Latin, Greek, Cyrillic and Persian letters that look alike, in one file each."""
PACKAGE = "fonts-dejavu-core"
MOST_NAMED = 8
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


@dataclass(frozen=True, slots=True)
class Face:
    """A font file: its bytes, the letters that it has, and what it is for."""

    content: bytes
    letters: frozenset[int]
    is_bold: bool = False
    is_further: bool = False
    """Whether it is there for letters that our own lack."""


@cache
def faces(further: tuple[str, ...] = ()) -> tuple[Face, ...]:
    """Return the fonts of documents, our own first.

    Args:
        further: Paths of font files for letters that ours lacks.

    Raises:
        ConfigurationError: One is not there, or is no font.
    """
    own = [_face(_installed(name), is_bold=name == BOLD) for name in (REGULAR, BOLD)]
    return (*own, *(_face(Path(path), is_further=True) for path in further))


def check_letters(text: str, fonts: Sequence[Face]) -> None:
    """Refuse a text with letters that none of the fonts has.

    Raises:
        ConfigurationError: It names them and where they stand.
    """
    known: frozenset[int] = frozenset().union(*(face.letters for face in fonts))
    lacking = sorted(
        {c for c in text if ord(c) not in known and unicodedata.category(c) not in _UNSEEN}
    )
    if not lacking:
        return
    shown = " ".join(lacking[:MOST_NAMED])
    line = next(line for line in text.splitlines() if any(c in line for c in lacking[:1]))
    raise ConfigurationError(
        n(
            "The document cannot be made: no font has the letter {letters}, which stands in "
            "{line!r}. Write it otherwise, or name a font file that has it in the setting "
            "sales.document_fonts.",
            "The document cannot be made: no font has the letters {letters}, the first of which "
            "stands in {line!r}. Write them otherwise, or name a font file that has them in the "
            "setting sales.document_fonts.",
            len(lacking),
            letters=shown,
            line=line.strip()[:80],
        ),
        code="sales.document.letters",
        details={"letters": [f"U+{ord(c):04X}" for c in lacking]},
    )


def _face(path: Path, *, is_bold: bool = False, is_further: bool = False) -> Face:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        content = path.read_bytes()
        with TTFont(BytesIO(content), lazy=True) as font:
            letters = frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError) as error:
        raise ConfigurationError(
            t(
                "The font file {path} cannot be read ({kind}): name another in the setting "
                "sales.document_fonts.",
                path=path,
                kind=type(error).__name__,
            ),
            code="sales.document.font",
        ) from None
    return Face(content, letters, is_bold, is_further)


def _installed(name: str) -> Path:
    for folder in _folders():
        for path in sorted(folder.rglob(name)):
            return path
    raise ConfigurationError(
        t(
            "Documents need the font {family}, which this machine lacks: install it, on Debian "
            "with apt-get install {package}.",
            family=FAMILY,
            package=PACKAGE,
        ),
        code="sales.document.font",
    )


def _folders() -> list[Path]:
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    homes = [Path.home() / ".local/share/fonts", Path.home() / ".fonts"]
    system = [Path(part) / "fonts" for part in data.split(":") if part]
    return [folder for folder in [*homes, *system] if folder.is_dir()]
