"""CSV and TSV: a header, then one record a row; a bad row costs only itself."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator

from loaders.base import MAX_LINE, Opened, Options, as_record, opened
from recommender.errors import RecordError, SourceError
from recommender.items import MAX_CELL, Record, Reject, encode

DELIMITERS = ",;\t|"
UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # not a space: a line of NUL bytes is not blank
MAX_SPAN = 16 * 1024 * 1024
"""Characters after which a record of several lines goes on no more: its quote never closes."""
REREAD = 4
"""Characters that may be read again for each one read: many bad quotes stay linear work."""


def load(source: str, options: Options) -> Iterator[Record | Reject]:
    """Every row of ``source`` as a record of text cells. Raises SourceError.

    The delimiter is a tab for the format ``tsv``, else the one that the header has most of.
    Columns without a name are left out, blank lines are skipped.
    """
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))
    with opened(source, options) as file:
        yield from file.watched(_entries(file, options.format == "tsv"))


def _entries(file: Opened, tabs: bool) -> Iterator[Record | Reject]:
    lines = _Lines(file.lines())
    first = lines.peek()
    rows = _rows(lines, "\t" if tabs else _sniff(first))
    names = _header(file.name, rows)
    nameless = "" in names
    number = 0
    for number, row in rows:
        place = f"{file.name}, line {number}"
        if isinstance(row, str):
            yield Reject(place, row)
            continue
        values = dict(zip(names, row, strict=True))
        if nameless:
            del values[""]
        # No cell is larger than its record, so most need no look at each cell.
        yield as_record(place, values) if lines.size > MAX_CELL else Record(place, values)
    if names and not number:
        raise SourceError(f"{file.name} has a header but no records", remedy="Add a row to it")


def _sniff(header: str) -> str:
    """Pick the delimiter that ``header`` has most of outside quotes, a comma when it has none."""
    bare = re.sub(r'"[^"]*("|$)', "", header)
    return max(DELIMITERS, key=bare.count)


def _header(name: str, rows: Iterator[tuple[int, list[str] | str]]) -> list[str]:
    """Read the names of the columns, "" where one has none; none at all from an empty source."""
    number, row = next(rows, (0, []))
    where = f"{name}, line {number}"
    if isinstance(row, str):
        raise SourceError(
            f"{where}: the header cannot be read: {row}",
            remedy="Is it text, in this format (--format) and this encoding (--encoding)?",
        )
    names = [cell.strip() for cell in row]
    twice = [column for column, times in Counter(names).items() if column and times > 1]
    if twice:
        raise SourceError(
            f"{where}: the header names {twice[0]!r} twice", remedy="Rename one of the columns"
        )
    if names and not any(names):
        raise SourceError(f"{where}: the header names no column", remedy="Name the columns")
    try:
        encode("".join(names))
    except RecordError as error:
        raise SourceError(f"{where}: {error.message}", remedy=error.remedy) from error
    return names


def _rows(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield every row, header first: the number of its first line, its cells or its fault."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = 0
    while True:
        start = lines.begin()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = _reason(error, lines)
            lines.retreat()
            yield start, reason
            continue
        width = width or len(row)
        if len(row) == width and not lines.nul:
            yield start, row
        elif row and (len(row) > 1 or row[0].strip()):
            yield start, _problem(row, width, lines, delimiter)


def _problem(row: list[str], width: int, lines: _Lines, delimiter: str) -> str:
    if len(row) != width and _swallowed(lines.taken, width, delimiter):
        lines.retreat()
        return "a quote opens here and never closes"
    if lines.nul:
        return "it holds a NUL byte"
    return f"{len(row):,} cell{'s' * (len(row) > 1)}, the header has {width:,}"


def _swallowed(taken: list[str], width: int, delimiter: str) -> bool:
    """Whether a record of several lines holds rows of their own, after a quote left open.

    A line that closes a quote from a line before has an odd number of quotes. An even number in
    the last line, or nothing but whole rows before it, says that the first quote never closed.
    """
    if len(taken) == 1:
        return False
    _, *between, last = taken
    if last.count('"') % 2 == 0:
        return True
    plain = (line.replace("\0", UNREADABLE) for line in between)
    try:
        rows = list(csv.reader(plain, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    # In a table of one column any text is a whole row: that says nothing.
    return bool(between) and width > 1 and [len(row) for row in rows] == [width] * len(between)


def _reason(error: csv.Error, lines: _Lines) -> str:
    if str(error) == "unexpected end of data":
        return "a quote opens here and never closes"
    if "expected after" not in str(error):
        return str(error)
    if len(lines.taken) > 1:
        return f"a quote opens here and is not closed well on line {lines.number}: {error}"
    return f"{error}: a quote inside a cell is written twice"


class _Lines:
    """Lines for csv.reader: counted, bounded, and given again where a record failed."""

    def __init__(self, fresh: Iterator[str]) -> None:
        self.number = 0
        self.taken: list[str] = []
        self.size = 0
        self.nul = False
        self._fresh = fresh
        self._again: deque[str] = deque()
        self._allowance = MAX_SPAN

    def peek(self) -> str:
        """Look at the first line that is not blank."""
        for line in self._fresh:
            if line.strip():
                self._again.append(line)
                return line
            self.number += 1
        return ""

    def begin(self) -> int:
        """Begin the next record: forget the one before, give the number of its first line."""
        self._allowance += REREAD * self.size
        self.taken.clear()
        self.size = 0
        self.nul = False
        return self.number + 1

    def retreat(self) -> None:
        """Give all lines of this record but its first once more."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        self._allowance -= self.size
        self.size = len(first)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.taken and self.size > min(MAX_SPAN, self._allowance):
            raise csv.Error(f"a quote opens here and does not close in {self.size:,} characters")
        line = self._again.popleft() if self._again else next(self._fresh)
        self.taken.append(line)
        self.number += 1
        self.size += len(line)
        if "\0" in line:  # csv refuses it in Python 3.10, later ones do not
            self.nul = True
            line = line.replace("\0", UNREADABLE)
        if len(line) > MAX_LINE:
            raise csv.Error(f"the line has more than {MAX_LINE:,} characters")
        return line
