"""Reading tables that people made: CSV in any encoding and with any separator, and Excel.

What is wrong with the file as a whole stops with an InputError that names the line and says what to
do; what single cells say is not judged here.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from crm_core.errors import InputError
from crm_core.messages import n, t
from crm_core.normalize import shortened

SPREADSHEETS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
DELIMITERS = ",;\t|"
LONGEST_LINE = 2_000_000
"""Characters; a file without line ends must not fill the memory."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Line = tuple[int, list[str]]


def read_table(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    is_known: Callable[[str], bool] = bool,
) -> Iterator[Line]:
    """Yield (line number, cells) of a CSV or spreadsheet file, the header first, no blank rows.

    Args:
        path: The file; its ending tells spreadsheets from CSV.
        encoding: Of a CSV file; None reads UTF-8, or UTF-16 that begins with its mark.
        delimiter: Between cells of a CSV file; None takes the one of ``, ; tab |`` that makes most
            known columns out of the header.
        is_known: Whether a header names a column.

    Raises:
        InputError: The file cannot be opened, decoded or taken apart, or holds no rows.
    """
    if path.suffix.lower() in SPREADSHEETS:
        rows = _spreadsheet_rows(path)
    else:
        rows = _csv_rows(path, encoding, delimiter, is_known)
    width, count = 0, 0
    for line, cells in rows:
        if count and len(cells) > width:
            _refuse(
                n(
                    "line {line} has {count} value where the header has {width}. Put values "
                    "that hold the separator in quotes, or check --delimiter.",
                    "line {line} has {count} values where the header has {width}. Put values "
                    "that hold the separator in quotes, or check --delimiter.",
                    len(cells),
                    line=line,
                    width=width,
                ),
                path,
                line,
            )
        width = width or len(cells)
        count += 1
        yield line, cells
    if count < 2:
        _refuse(
            t("it has a header but no rows. Give a file with a header and at least one row.")
            if count
            else t("it is empty. Give a file with a header and at least one row."),
            path,
        )


def _refuse(what: str, path: Path, line: int | None = None) -> NoReturn:
    raise InputError(
        t("{path} cannot be read: {what} Nothing was written.", path=path.name or path, what=what),
        code="core.import.file",
        details={"file": str(path), "line": line},
    )


def _csv_rows(
    path: Path, encoding: str | None, delimiter: str | None, is_known: Callable[[str], bool]
) -> Iterator[Line]:
    codec = _encoding(path, encoding)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise InputError(
            t(
                "{delimiter!r} cannot separate values; give one character, such as ; or ,.",
                delimiter=delimiter,
            ),
            code="core.import.delimiter",
        )
    try:
        with path.open(encoding=codec, newline="") as handle:
            delimiter = delimiter or _delimiter(handle, path, is_known)
            yield from _records(handle, path, delimiter)
    except UnicodeDecodeError as error:
        line = _undecodable_line(path, codec)
        _refuse(
            t(
                "line {line} is not {codec} text ({reason}). Save it as UTF-8, or name its "
                "encoding: --encoding cp1250 (Central European), cp1251 (Cyrillic), cp1252 "
                "(Western), cp1253 (Greek), cp1256 (Persian, Arabic), utf-16.",
                line=line or "?",
                codec=codec.removesuffix("-sig"),
                reason=error.reason,
            ),
            path,
            line,
        )
    except UnicodeError as error:
        _refuse(
            t(
                "it is not {codec} text ({error}). Name its encoding, such as --encoding "
                "utf-16-le.",
                codec=codec,
                error=error,
            ),
            path,
        )
    except OSError as error:
        _refuse(t("{reason}. Check the path and the rights on it.", reason=error.strerror), path)


def _records(handle: IO[str], path: Path, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(_lines(handle, path), delimiter=delimiter, strict=True)
    begun = 0
    try:
        for cells in reader:
            if any(cells):
                yield begun + 1, cells
            begun = reader.line_num
    except csv.Error as error:
        hint = (
            t("A value is too long, or its closing quote is missing")
            if "field limit" in str(error) or "unexpected end" in str(error)
            else t('Inside quotes write a quote twice (""), and nothing after the closing one')
        )
        _refuse(
            t(
                "the row that begins at line {begun} is broken ({error}). {hint}.",
                begun=begun + 1,
                error=error,
                hint=hint,
            ),
            path,
            begun + 1,
        )


def _lines(handle: IO[str], path: Path) -> Iterator[str]:
    number = 0
    while line := handle.readline(LONGEST_LINE):
        number += 1
        if "\0" in line:
            _refuse(
                t(
                    "line {number} holds a NUL character. Remove it; if the file is UTF-16, say "
                    "so: --encoding utf-16.",
                    number=number,
                ),
                path,
                number,
            )
        if len(line) == LONGEST_LINE:
            _refuse(
                t(
                    "line {number} has more than {longest_line:,} characters. Check that lines "
                    "end where rows end.",
                    number=number,
                    longest_line=LONGEST_LINE,
                ),
                path,
                number,
            )
        yield line


def _encoding(path: Path, named: str | None) -> str:
    try:
        with path.open("rb") as handle:
            start = handle.read(4)
    except OSError as error:
        _refuse(t("{reason}. Check the path and the rights on it.", reason=error.strerror), path)
    marked = next((codec for mark, codec in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
    if named is None:
        return marked or "utf-8"
    try:
        "".encode(named)
        name = codecs.lookup(named).name
    except (LookupError, ValueError):
        raise InputError(
            t(
                "There is no text encoding {named!r}; give one such as utf-8, cp1253 or utf-16.",
                named=named,
            ),
            code="core.import.encoding",
        ) from None
    return "utf-8-sig" if name == "utf-8" and marked == "utf-8-sig" else name


def _undecodable_line(path: Path, codec: str) -> int | None:
    if codec.startswith(("utf-16", "utf_16", "utf-32", "utf_32")):
        return None
    with path.open("rb") as handle:
        for number, line in enumerate(iter(lambda: handle.readline(LONGEST_LINE), b""), 1):
            try:
                line.decode(codec)
            except UnicodeDecodeError:
                return number
    return None


def _delimiter(handle: IO[str], path: Path, is_known: Callable[[str], bool]) -> str:
    header = next(_lines(handle, path), "")
    handle.seek(0)

    def score(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return sum(map(is_known, cells)), len(cells)

    return max(DELIMITERS, key=score)


def _spreadsheet_rows(path: Path) -> Iterator[Line]:
    from python_calamine import CalamineError, load_workbook

    try:
        with path.open("rb") as handle:
            sheet = load_workbook(handle).get_sheet_by_index(0)
    except OSError as error:
        _refuse(t("{reason}. Check the path and the rights on it.", reason=error.strerror), path)
    except (CalamineError, ValueError, IndexError) as error:
        _refuse(
            t(
                "it is no spreadsheet that can be opened ({error}). Save it again as .xlsx "
                "without a password, or as CSV.",
                error=shortened(error),
            ),
            path,
        )
    width = 0
    for line, row in enumerate(sheet.iter_rows(), 1):
        cells = [_cell_text(cell) for cell in row]
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if any(cells):
            width = width or len(cells)
            yield line, cells


def _cell_text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
