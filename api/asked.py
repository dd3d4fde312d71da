"""What the web page is asked for, out of its address and back into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from api.shape import Shape
from recommender.catalogue import Catalogue

PAGE_SIZE = 24
"""Items that come at once."""

MAX_SHOWN = 240
"""Items on one page of HTML; scripts go on from there."""

MAX_TRAY = 20
"""Likes, and dislikes, that are kept: the latest."""

TAG, LEAST, MOST = "tag.", "min.", "max."
"""What stands before a field's name in the address, so that no field clashes with ``q``."""


@dataclass(frozen=True)
class Asked:
    """The page's whole state: every part of it stands in the address.

    ``ranges`` maps a number to the texts of its two ends, "" for an open one; ``show`` is how many
    items the page holds.
    """

    q: str = ""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    diversity: float = 0.0
    show: int = PAGE_SIZE

    @classmethod
    def read(cls, args: MultiDict[str, str], catalogue: Catalogue) -> Asked:
        """The state that an address holds; what makes no sense there is left out."""
        fields = catalogue.fields
        tags = {
            name: labels
            for name, spec in fields.items()
            if spec.type == "tag" and (labels := _listed(args, TAG + name))
        }
        ends = {
            name: (args.get(LEAST + name, "").strip(), args.get(MOST + name, "").strip())
            for name, spec in fields.items()
            if spec.type == "number"
        }
        like = _listed(args, "like")[-MAX_TRAY:]
        unlike = tuple(id for id in _listed(args, "unlike") if id not in like)[-MAX_TRAY:]
        return cls(
            q=args.get("q", "").strip(),
            tags=tags,
            ranges={name: pair for name, pair in ends.items() if any(pair)},
            like=like,
            unlike=unlike,
            diversity=_fraction(args.get("diversity", "")),
            show=_pages(args.get("show", "")) * PAGE_SIZE,
        )

    def fitting(self, shape: Shape) -> Asked:
        """The same without what this catalogue cannot be asked together."""
        like = self.like if shape.many else self.like[-1:]
        unlike = self.unlike if shape.many else ()
        is_free = shape.mode is not None and (shape.mixes or not (like or unlike))
        return replace(self, q=self.q if is_free else "", like=like, unlike=unlike)

    def where(self) -> list[str]:
        """The filters as conditions, one a field."""
        found = [f"{name}={'|'.join(map(_written, labels))}" for name, labels in self.tags.items()]
        return found + [f"{name}={least}..{most}" for name, (least, most) in self.ranges.items()]

    def query(self) -> str:
        """The state as the address has it, behind the question mark; "" for the plain page."""
        pairs: list[tuple[str, str]] = [("q", self.q)] if self.q else []
        pairs += [("like", id) for id in self.like] + [("unlike", id) for id in self.unlike]
        if self.diversity:
            pairs.append(("diversity", f"{self.diversity:g}"))
        pairs += [(TAG + name, label) for name, labels in self.tags.items() for label in labels]
        for name, ends in self.ranges.items():
            pairs += [
                (start + name, end) for start, end in zip((LEAST, MOST), ends, strict=True) if end
            ]
        if self.show > PAGE_SIZE:
            pairs.append(("show", str(self.show)))
        return urlencode(pairs, safe="*")  # as browsers write it

    def liking(self, id: str) -> Asked:
        """With ``id`` among the likes, the latest."""
        rest = self._off_the_tray(id)
        return replace(rest, like=(*rest.like, id)[-MAX_TRAY:])

    def unliking(self, id: str) -> Asked:
        """With ``id`` among the dislikes, the latest."""
        rest = self._off_the_tray(id)
        return replace(rest, unlike=(*rest.unlike, id)[-MAX_TRAY:])

    def _off_the_tray(self, id: str) -> Asked:
        return replace(
            self,
            like=tuple(each for each in self.like if each != id),
            unlike=tuple(each for each in self.unlike if each != id),
            show=PAGE_SIZE,
        )

    def without(self, id: str) -> Asked:
        """With ``id`` neither liked nor disliked."""
        return self._off_the_tray(id)

    def without_filter(self, name: str, label: str | None = None) -> Asked:
        """Without a field's filter, or one label of it."""
        left = tuple(each for each in self.tags.get(name, ()) if label not in (None, each))
        tags = {other: left if other == name else own for other, own in self.tags.items()}
        ranges = {other: ends for other, ends in self.ranges.items() if other != name}
        kept = {other: labels for other, labels in tags.items() if labels}
        return replace(self, tags=kept, ranges=ranges, show=PAGE_SIZE)


def _written(label: str) -> str:
    """A label as conditions have it: a backslash at its end must not touch the bar behind it."""
    return label.replace("|", r"\|") + (" " if label.endswith("\\") else "")


def _listed(args: MultiDict[str, str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in args.getlist(name) if text.strip()))


def _fraction(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return min(max(number, 0.0), 1.0) if number == number else 0.0


def _pages(text: str) -> int:
    is_number = text.isascii() and text.isdecimal()
    pages = -(-int(text[:9]) // PAGE_SIZE) if is_number else 1
    return min(max(pages, 1), MAX_SHOWN // PAGE_SIZE)
