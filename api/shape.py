"""What of a catalogue the web page shows where: told from its fields' names and types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from recommender.catalogue import Catalogue
from recommender.lexical import mode_of

TITLES = ("title", "name", "headline", "heading", "label", "subject")
TEXTS = ("description", "overview", "summary", "abstract", "excerpt", "text", "body", "content")
LINKS = ("url", "link", "permalink", "href", "canonical", "canonical_url", "source_url")
PICTURE = re.compile(
    r"(.*_)?(image|poster|picture|thumbnail|thumb|photo|img|cover)s?(_?(url|link|src|path))?", re.I
)
DATE = re.compile(r"(.*_)?(date|published|created|updated|modified|at|on)", re.I)
YEAR = re.compile(r"(.*_)?year(_.*)?", re.I)
POPULAR = re.compile(
    r"popularity|votes?|vote_count|(review|rating|like|view|sale)s?(_count)?|stars|downloads", re.I
)
LAST_YEAR = 9999
FACTS = 3
"""Numbers that a card shows."""


@dataclass(frozen=True)
class Shape:
    """Which field is what on a card, and what the catalogue can be asked.

    ``mode`` is how words are searched, None where they cannot be; ``many`` whether there may be
    several likes and dislikes, which takes vectors compared by cosine; ``mixes`` whether words go
    together with them, which takes a model. ``order`` is the number that browsing goes by.
    """

    catalogue: str
    mode: str | None
    many: bool
    mixes: bool
    order: str | None
    title: str | None
    text: str | None
    picture: str | None
    link: str | None
    facts: tuple[str, ...]
    tags: tuple[str, ...]
    dates: tuple[str, ...]
    years: tuple[str, ...]
    labels: dict[str, str]
    types: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The same for scripts."""
        return asdict(self)


def shape_of(catalogue: Catalogue) -> Shape:
    """What a catalogue's fields are on the page."""
    fields = catalogue.fields
    by_type = {
        kind: [name for name, spec in fields.items() if spec.type == kind]
        for kind in ("text", "tag", "number", "stored")
    }
    plain = [*by_type["text"], *by_type["stored"], *by_type["tag"]]
    picture = next((name for name in plain if PICTURE.fullmatch(name)), None)
    link = _named(LINKS, plain)
    used = {picture, link}
    title = _named(TITLES, plain) or _first(by_type["text"], used)
    texts = [*by_type["text"], *by_type["stored"]]
    text = _named(TEXTS, [name for name in texts if name != title])
    text = text or _first(by_type["text"], {*used, title})
    numbers = by_type["number"]
    dates = tuple(name for name in numbers if DATE.fullmatch(name))
    years = tuple(name for name in numbers if YEAR.fullmatch(name))
    vector = next(iter(catalogue.vectors.values()))
    mode = mode_of(catalogue)
    return Shape(
        catalogue=catalogue.name,
        mode=mode,
        many=vector.metric == "cosine",
        mixes=vector.metric == "cosine" and vector.embedder != "given",
        order=next((name for name in numbers if POPULAR.fullmatch(name)), None),
        title=title,
        text=text,
        picture=picture,
        link=link,
        facts=_facts(numbers, years, dates),
        tags=tuple(name for name in by_type["tag"] if name not in {*used, title}),
        dates=dates,
        years=years,
        labels={name: label_of(name) for name in fields},
        types={name: spec.type for name, spec in fields.items()},
    )


def label_of(name: str) -> str:
    """A field's name as people write it: ``vote_average`` is "Vote average"."""
    words = " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).split("_")).strip()
    return words[:1].upper() + words[1:]


def shown_number(value: float, name: str, shape: Shape) -> str:
    """A number as a card shows it: dates as days, years plain, others with thousands parted."""
    if name in shape.dates and (day := day_of(int(value))):
        return day
    if abs(value) >= 1e15 or 0 < abs(value) < 0.005:
        return f"{value:.3g}"
    parted = "" if name in shape.years or name in shape.dates else ","
    return f"{round(value, 2):{parted}.2f}".rstrip("0").rstrip(".")


def day_of(seconds: int) -> str:
    """The day, YYYY-MM-DD, of so many seconds since 1970; "" outside the years 1 to 9999.

    Also "" for what is rather a year than an hour of 1970: books are ``published`` in 1999.
    """
    if 0 < seconds <= LAST_YEAR:
        return ""
    try:
        return (date(1970, 1, 1) + timedelta(days=seconds // 86_400)).isoformat()
    except OverflowError:
        return ""


def _facts(numbers: list[str], years: tuple[str, ...], dates: tuple[str, ...]) -> tuple[str, ...]:
    when = years[:1] or dates[:1]
    rest = [name for name in numbers if name not in {*years, *dates}]
    return (*when, *rest)[:FACTS]


def _named(wanted: Iterable[str], names: list[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def _first(names: Iterable[str], used: set[str | None]) -> str | None:
    return next((name for name in names if name not in used), None)
