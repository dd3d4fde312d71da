"""What people read on a terminal, and what programs read with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommender.catalogue import Catalogue
from recommender.items import Results

CELL, SHORT, TITLE = 40, 8, 78
"""Longest text of a cell, width up to which a column never gives way, longest title."""

GAP = 3
"""Columns between two columns."""

WIDE = 1000
"""How wide a table may be in a file or a pipe."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def print_json(value: Any) -> None:
    """One JSON document on stdout, and nothing else there."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table as wide as the terminal, whole where there is none; numbers to the right."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    shown = [[_shown(cell) for cell in row] for row in rows]
    widths = _widths([list(columns), *shown], console.width)
    table = Table(
        title=Text(_shown(title, TITLE)),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for number, width in enumerate(widths):
        is_number = all(isinstance(row[number], (int, float)) for row in rows)
        table.add_column(
            columns[number],
            justify="right" if is_number else "left",
            overflow="ellipsis",
            no_wrap=True,
            width=width,
        )
    for row in shown:
        table.add_row(*map(Text, row[: len(widths)]))
    console.print(table)


def _widths(rows: Sequence[Sequence[str]], terminal: int) -> list[int]:
    """The columns' widths: on a narrow terminal the widest give way, then the last are gone."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    while sum(widths) + GAP * len(widths) > terminal:
        if max(widths) > SHORT:
            widths[widths.index(max(widths))] -= 1
        elif len(widths) > 1:
            widths.pop()
        else:
            break
    return widths


def print_results(title: str, results: Results, columns: Sequence[str]) -> None:
    """The hits, one a row, and a line that says what they are."""
    rows = [
        [
            hit.source if hit.score is None else f"{hit.score:.3f}",
            hit.id,
            *(hit.fields.get(name, "") for name in columns),
        ]
        for hit in results.items
    ]
    if rows:
        print_table(title, ["score", "id", *columns], rows)
    for hit in results.items:
        if hit.why:
            click.echo(f"{printable(hit.id)}: {printable(hit.why['sentence'])}")
    click.echo(
        f"{results.returned} of {results.requested} asked for, in {results.took_ms:.1f} ms"
        f" ({results.embedder}, {'exact' if results.exact else 'approximate'})"
        + ("" if results.complete else ": there are no more, or the index is still filling")
    )
    if results.next:
        click.echo(f"The page after it: --next {results.next}")


def shown_fields(catalogue: Catalogue) -> list[str]:
    """The fields worth a column when nobody has said which: a title, then what is short.

    Not one that is the id: that has a column already.
    """
    kinds = {
        name: field.type
        for name, field in catalogue.fields.items()
        if catalogue.column(name) != catalogue.id
    }
    texts = [name for name, kind in kinds.items() if kind == "text"][:1]
    tags = [name for name, kind in kinds.items() if kind == "tag"][:2]
    numbers = [name for name, kind in kinds.items() if kind == "number"][:1]
    return texts + numbers + tags


def print_mapping(values: Mapping[str, Any]) -> None:
    """Names and values, one a line, aligned."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        click.echo(f"{name:<{width}}  {_text(value)}")


def printable(text: str) -> str:
    """The text on one line: control characters of a source must not reach the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _shown(value: Any, limit: int = CELL) -> str:
    text = _text(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    return printable(str(value))
