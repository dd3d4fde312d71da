"""What the web page's templates are given: cards, filters, the tray, in plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.asked import PAGE_SIZE, Asked
from api.shape import LAST_YEAR, Shape, shown_number
from recommender import Facet, Hit

MAX_TAGS = 5
MAX_TAGS_OF_ONE = 4
"""Labels on a card, in all and of one field."""

MAX_TITLE = 300
MAX_TEXT = 400
MAX_SPOKEN = 80
"""Characters of what a card shows; of a title, in what is read aloud, less."""

SHOWN, LISTED = 8, 50
"""Labels of a filter that are seen at once, and with "show all"; scripts look through them all."""

MANY = 25
"""Labels from which one can be looked for."""

OPEN_GROUPS = 3
"""Filters that are open from the start."""

ADDRESS = re.compile(
    r"https?://[^\s\\]+|\.{0,2}/(?!/)[^\s\\]*|[\w~%-][\w.~%/-]*\.\w{2,5}", re.ASCII | re.IGNORECASE
)
"""An address that a link or picture may have: of the web, or relative; nothing that runs."""


def card_of(hit: Hit, shape: Shape, titles: Mapping[str, str]) -> dict[str, Any]:
    """One item as its card; ``titles`` are those of the likes by their ids, for its reason."""
    fields = hit.fields
    why = hit.why or {}
    title = title_of(hit.id, fields, shape)
    return {
        "id": hit.id,
        "title": title,
        "spoken": brief(title, MAX_SPOKEN),
        "link": _address(fields.get(shape.link or "")),
        "picture": _address(fields.get(shape.picture or "")),
        "text": brief(fields.get(shape.text or ""), MAX_TEXT),
        "facts": _facts(fields, shape),
        "tags": _tags(fields, shape),
        "relevance": hit.relevance,
        "score": hit.score,
        "words": why.get("words", {}).get("share"),
        "why": _reason(why, titles),
    }


def _reason(why: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    sentence, nearest = str(why.get("sentence", "")), why.get("nearest", "")
    named = brief(titles.get(nearest, nearest), MAX_SPOKEN)
    return sentence.replace(f"nearest to {nearest}", f"nearest to {named}", 1)


def title_of(id: str, fields: Mapping[str, Any], shape: Shape) -> str:
    """What an item is called: its title, or its id where it has none."""
    return brief(fields.get(shape.title or ""), MAX_TITLE) or brief(id, MAX_TITLE)


def filters_of(facets: Sequence[Facet], asked: Asked, shape: Shape) -> list[dict[str, Any]]:
    """The filters beside the results; one that tells nothing apart and is not used is hidden."""
    groups: list[dict[str, Any]] = []
    for facet in facets:
        group = _labels(facet, asked) if facet.type == "tag" else _range(facet, asked, shape)
        group |= {"field": facet.field, "label": shape.labels[facet.field]}
        seen = sum(not other["hidden"] or not facet.count for other in groups)
        groups.append(group | {"open": seen < OPEN_GROUPS or group["used"]})
    return groups


def chosen_of(asked: Asked, shape: Shape) -> list[dict[str, Any]]:
    """The filters in use, each with the state without it."""
    found = [
        {"label": f"{shape.labels[name]}: {label}", "left": asked.without_filter(name, label)}
        for name, labels in asked.tags.items()
        for label in labels
    ]
    for name, (least, most) in asked.ranges.items():
        text = (
            f"{least} to {most}" if least and most else f"from {least}" if least else f"to {most}"
        )
        left = asked.without_filter(name)
        found.append({"label": f"{shape.labels[name]} {text}", "left": left})
    return found


def more_of(asked: Asked) -> Asked:
    """The state with a page more."""
    return replace(asked, show=asked.show + PAGE_SIZE)


def _labels(facet: Facet, asked: Asked) -> dict[str, Any]:
    ticked = asked.tags.get(facet.field, ())
    lower = {label.lower(): label for label in ticked}
    counts = {lower.pop(label.lower(), label): count for label, count in facet.values.items()}
    none = 0 if counts else None
    rows = [{"value": label, "count": counts.get(label, none), "ticked": True} for label in ticked]
    others = [label for label in counts if label not in ticked]
    rows += [{"value": label, "count": counts[label], "ticked": False} for label in others]
    shown = max(SHOWN, len(ticked))
    shown = len(rows) if len(rows) <= shown + 2 else shown
    return {
        "type": "tag",
        "hidden": not rows,
        "used": bool(ticked),
        "rows": rows[:shown],
        "more": rows[shown:LISTED],
        "many": len(rows) > MANY,
    }


def _range(facet: Facet, asked: Asked, shape: Shape) -> dict[str, Any]:
    ends = asked.ranges.get(facet.field, ("", ""))
    is_date = facet.field in shape.dates and not 0 < (facet.max or 0) <= LAST_YEAR
    known = [
        "" if end is None else shown_number(end, facet.field, shape)
        for end in (facet.min, facet.max)
    ]
    return {
        "type": "date" if is_date else "number",
        "hidden": not any(ends) and (facet.min is None or facet.min == facet.max),
        "used": any(ends),
        "ends": ends,
        "known": known,
    }


def _facts(fields: Mapping[str, Any], shape: Shape) -> list[dict[str, str]]:
    """The numbers of a card; a year and a date say themselves what they are."""
    plain = (*shape.years, *shape.dates)
    return [
        {
            "label": "" if name in plain else shape.labels[name],
            "value": shown_number(fields[name], name, shape),
        }
        for name in shape.facts
        if isinstance(fields.get(name), (int, float))
    ]


def _tags(fields: Mapping[str, Any], shape: Shape) -> list[str]:
    found = (
        label for name in shape.tags for label in list(fields.get(name) or ())[:MAX_TAGS_OF_ONE]
    )
    return [brief(label, 60) for label in dict.fromkeys(found)][:MAX_TAGS]


def _address(value: Any) -> str | None:
    """A value as an address that is safe to follow, else None; of several labels the first."""
    first = value[0] if isinstance(value, list) and value else value
    text = first.strip() if isinstance(first, str) else ""
    return text if len(text) <= 2048 and ADDRESS.fullmatch(text) else None


def brief(value: Any, limit: int) -> str:
    """A value as one line of text of so many characters at most; "" for what is no text."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(text, str):
        return ""
    text = " ".join(text[: 4 * limit].split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
