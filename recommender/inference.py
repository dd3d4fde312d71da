"""A catalogue file made from a source's first records: what is the id, a text, a tag, a number.

The rules look at values first and at column names only where values cannot tell. What they decide
is printed and can be edited; nothing depends on a guess that a person cannot see.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.catalogue import Catalogue, FieldSpec, VectorSpec, is_field_name, vector_field
from recommender.convert import parse_vector
from recommender.errors import InvalidCatalogue, RecordError, suggest
from recommender.fields import KINDS, NO_NUMBER, as_text, is_missing
from recommender.items import Record

SAMPLE = 2000
"""How many records are looked at."""

ENOUGH = 10
"""Records after which a tag that is always the same will stay so."""

ID_NAMES = ("id", "_id", "uuid", "guid", "sku", "key", "slug", "url", "link", "permalink", "path")
SURE_ID_NAMES = ID_NAMES[:5]
TITLE_NAMES = ("title", "name", "headline", "label", "subject", "product")
SURE_TITLE_NAMES = TITLE_NAMES[:3]
"""No lists of labels, whatever signs they hold: "Bread | My Blog" is one title."""
PLACE_NAMES = ("geo", "location", "place", "position", "coordinates", "lonlat", "point")
SEPARATORS = ("|", ";", ",")

URL = re.compile(r"https?://\S+|/\S*|\S+\.(jpe?g|png|gif|webp|svg)", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d?[./]\d\d?[./]\d{4}")
CODE = re.compile(r"[+-]?0\d+")
PRICE = re.compile(r"\W*\d{1,3}((?:[., ]?\d{3})*[.,]\d{1,2}|(?:[.,]\d{3})+)\W*")
NUMERIC = re.compile(r"\W*[\d.+-]+\W*")
WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the sample: its name, and its values that are not missing."""

    name: str
    values: Sequence[Any]
    texts: Sequence[str]

    @property
    def distinct(self) -> int:
        """How many different texts the column holds."""
        return len(set(self.texts))

    def share(self, pattern: re.Pattern[str]) -> float:
        """The part (0..1) of the texts that are wholly as ``pattern`` says."""
        return _mean(bool(pattern.fullmatch(text)) for text in self.texts)


def infer(records: Iterable[Record], name: str, *, id: str | None = None) -> Catalogue:
    """A catalogue called ``name`` for a source that starts with ``records``.

    ``id`` names the id column where it is known. Raises InvalidCatalogue where there is no record,
    no column that can be the id, or nothing to embed.
    """
    sample = [record.values for record in records]
    if not sample:
        raise InvalidCatalogue("there is no good record to infer a catalogue from")
    columns = _columns(sample)
    id_column = _id_column(columns, len(sample), id)
    given = [column.name for column in columns if _is_vector(column)]
    vector_names = _field_names(given, ()) if given else {"text": "text"}
    taken = [vector_field(name) for name in vector_names.values()]
    kinds = {
        column.name: _field(column)
        for column in columns
        if column.name not in given and (column.name != id_column or _is_title(column))
    }
    names = _field_names(kinds, taken)
    fields = {
        names[column]: spec.model_copy(update={"column": column})
        if names[column] != column
        else spec
        for column, spec in kinds.items()
    }
    if given:
        vectors = {
            vector_names[column]: VectorSpec(embedder="given", column=column) for column in given
        }
    else:
        by_name = {names[column.name]: column for column in columns if column.name in names}
        vectors = {"text": VectorSpec(template=_template(fields, by_name))}
    return Catalogue.from_dict(
        {"name": name, "id": id_column, "fields": fields, "vectors": vectors}
    )


def _columns(sample: list[Mapping[str, Any]]) -> list[Column]:
    order = list(dict.fromkeys(name for values in sample for name in values))
    found = []
    for name in order:
        values = [row[name] for row in sample if name in row and not is_missing(row[name])]
        found.append(Column(name, values, [_text(value) for value in values]))
    return found


def _text(value: Any) -> str:
    try:
        return as_text(value)
    except (RecordError, RecursionError):
        return ""


def _id_column(columns: list[Column], rows: int, wanted: str | None) -> str:
    names = [column.name for column in columns]
    if wanted is not None:
        if wanted not in names:
            raise InvalidCatalogue(
                f"there is no column {wanted!r} for the id",
                remedy=suggest(wanted, names, "columns"),
            )
        return wanted

    def rank(column: Column) -> int:
        name = column.name.lower()
        if name in ID_NAMES:
            return ID_NAMES.index(name)
        return len(ID_NAMES) if name.endswith(("_id", " id", "-id")) else len(ID_NAMES) + 1

    def distinct_enough(column: Column) -> bool:
        # A duplicate or a blank is a bad record, not a reason to distrust a column called id.
        share = 0.5 if column.name.lower() in SURE_ID_NAMES else 0.98
        return column.distinct >= max(1, share * rows)

    unique = [
        column
        for column in columns
        if distinct_enough(column)
        and not any(isinstance(value, (list, dict, float, bool)) for value in column.values[:50])
        and _mean(len(text) for text in column.texts) <= 200
    ]
    if not unique:
        raise InvalidCatalogue(
            "no column has a different value in every record, so none can be the id",
            remedy=f"Name it: --id COLUMN. The columns are: {', '.join(names)}",
        )
    return min(unique, key=rank).name


def _is_title(column: Column) -> bool:
    """Whether an id column is also what people read, and so worth a field of its own."""
    words = _mean(len(text.split()) for text in column.texts)
    return words >= 1.5 or column.name.lower() in TITLE_NAMES


def _is_vector(column: Column) -> bool:
    sample = column.values[:20]
    lists = [vector for vector in map(parse_vector, sample) if vector and _are_numbers(vector)]
    lengths = Counter(map(len, lists)).most_common(1)
    # Some bad vectors are bad records and not a reason to take the column for something else.
    return bool(lengths) and lengths[0][0] >= 8 and lengths[0][1] >= 0.8 * len(sample)


def _are_numbers(vector: Sequence[Any]) -> bool:
    kinds = set(map(type, vector))
    return float in kinds and kinds <= {int, float}


def _field(column: Column) -> FieldSpec:
    if not column.values:
        return FieldSpec(type="stored")
    first = column.values[0]
    if isinstance(first, bool):
        return FieldSpec(type="tag")
    if column.name.lower() in PLACE_NAMES and _parses("geo", column):
        return FieldSpec(type="geo")
    if isinstance(first, (dict, list)):
        return FieldSpec(type="tag" if _are_labels(column) else "stored")
    if _is_number(column):
        return FieldSpec(type="number")
    return _field_of_text(column)


def _are_labels(column: Column) -> bool:
    """Whether the values are lists of short texts or numbers."""
    parts = [
        part for value in column.values for part in (value if isinstance(value, list) else [value])
    ]
    return (
        not any(isinstance(part, (dict, list)) for part in parts)
        and _mean(len(text) for text in column.texts) <= 300
        and _parses("tag", column)
    )


def _field_of_text(column: Column) -> FieldSpec:
    if any(column.share(pattern) >= 0.9 for pattern in (URL, DATE, PRICE)):
        return FieldSpec(type="stored")
    name = column.name.lower()
    is_title = name in TITLE_NAMES
    separator = None if name in SURE_TITLE_NAMES else _separator(column)
    if separator:
        return FieldSpec(type="tag", separator=separator)
    words = _mean(len(text.split()) for text in column.texts)
    if not is_title and _repeats(column.texts) and words <= 4:
        return FieldSpec(type="tag")
    has_words = _mean(bool(WORD.search(text)) for text in column.texts) >= 0.5
    if has_words and (words >= 1.5 or is_title):
        return FieldSpec(type="text")
    return FieldSpec(type="stored")


def _parses(kind: str, column: Column) -> bool:
    try:
        for value in column.values:
            KINDS[kind].parse(value, None)
    except (RecordError, RecursionError):
        return False
    return True


def _is_number(column: Column) -> bool:
    texts = [text for text in column.texts if text.strip().lower() not in NO_NUMBER]
    return (
        bool(texts)
        and not any(CODE.fullmatch(text) for text in texts)
        and _parses("number", column)
    )


def _separator(column: Column) -> str | None:
    """The sign that parts this column's texts into short labels, many of them used again."""
    for separator in SEPARATORS:
        lists = [text.split(separator) for text in column.texts if separator in text]
        labels = [label.strip() for parts in lists for label in parts]
        if len(lists) < 0.2 * len(column.texts) or not labels:
            continue
        short = _mean(len(label) for label in labels) <= 25 and max(map(len, labels)) <= 80
        if separator == "," and _mean(bool(NUMERIC.fullmatch(label)) for label in labels) > 0.5:
            continue  # 3,49 is a price
        if short and (separator == "|" or _repeats(labels)):
            return separator
    return None


def _repeats(texts: Sequence[str]) -> bool:
    """Whether labels are used again and again, as those of a tag are."""
    counts = Counter(texts)
    if max(map(len, counts)) > 80:
        return False
    return len(counts) <= (0.3 if len(texts) >= 50 else 0.7) * len(texts)


def _field_names(columns: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Columns -> names for templates, conditions and addresses, none of them ``taken``."""
    used = set(taken)
    names: dict[str, str] = {}
    for column in columns:
        plain = re.sub(r"[^\w]+", "_", column.strip()).strip("_")[:50].rstrip("_")
        name = plain if is_field_name(plain) else f"column_{plain or len(names) + 1}"
        number = 2
        while name in used:
            name, number = f"{plain or 'column'}_{number}", number + 1
            name = name if is_field_name(name) else f"column_{name}"
        used.add(name)
        names[column] = name
    return names


def _template(fields: Mapping[str, FieldSpec], columns: Mapping[str, Column]) -> str:
    texts = [name for name, spec in fields.items() if spec.type == "text"]
    texts.sort(key=lambda name: columns[name].name.lower() not in TITLE_NAMES)
    # Labels that are words say what an item is like; codes ("en", "A4", "true") only add noise, and
    # so does what all have in common.
    tags = [
        name
        for name, spec in fields.items()
        if spec.type == "tag"
        and not isinstance(columns[name].values[0], bool)
        and _mean(bool(WORD.search(text)) for text in columns[name].texts) >= 0.5
    ]
    telling = [n for n in tags if columns[n].distinct > 1 or len(columns[n].texts) < ENOUGH]
    tags = telling if texts or telling else tags
    if not texts and not tags:
        raise InvalidCatalogue(
            "no column holds text that could be embedded",
            remedy="Write a catalogue file with a template and pass it as --spec FILE",
        )
    return ". ".join(f"{{{name}}}" for name in [*texts, *tags])


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
