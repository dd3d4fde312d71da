"""Boosts: numbers, tags and conditions that move an item up or down beside its similarity.

``0.3*near(year,8)``      close to the seed's year, within some 8 years
``0.5*near(price,20,to=100)``   close to a given number
``0.5*near(price,0.7,log)``     close by ratio: half or twice the price are equally far
``0.2*fresh(date,180d)``  young: a date in seconds, an age of some 180 days
``0.2*overlap(genres)``   tags in common with the seed
``0.2*overlap(genres,idf)``     the same, a rare tag counting more
``0.1*high(popularity)``  large, ``low(price)`` small, on a scale from the least to the most
``0.2*words()``           telling words of the seed's texts in the item's own (BM25)
``-0.3*match(genres=Horror)``   what meets a condition, as in ``where``

A signal is 0..1 and 0 where a value is missing; a weight is any number, below zero to move down.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import where
from recommender.catalogue import Catalogue
from recommender.errors import InvalidParameter, UnknownField, brief, suggest
from recommender.fields import MAX_NUMBER, TAG_SEPARATOR

MAX_BOOSTS = 16
MAX_WEIGHT = 1000.0

FIELD_TYPES = {
    "near": "number",
    "fresh": "number",
    "high": "number",
    "low": "number",
    "overlap": "tag",
}
KINDS = (*FIELD_TYPES, "words", "match")
CURVES = ("exp", "linear", "gauss")
SWITCHES = {("log", "near"), ("idf", "overlap")}
"""What an option switches on, and for which kind."""
MAX_KEPT = 500
"""Characters of a boost, or bytes of an item's labels, which are remembered as they were read."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_556_952}

TEXT = re.compile(r"\s*(?:([^*]+)\*)?\s*([a-z]+)\s*\((.*)\)\s*", re.DOTALL)
Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Boost:
    """One boost. ``text`` is how it was asked for.

    ``scale`` is the distance (or age in seconds) at which exp has fallen to 1/e, gauss to 0.61 and
    linear to 0; ``to`` the number that near is measured from, None for the seed's own. With ``log``
    the distance is that of the natural logarithms, so 0.7 is a factor of two. With ``idf`` rare
    labels count more (see :func:`overlaps`). ``condition`` is match's.
    """

    text: str
    kind: str
    weight: float
    field: str = ""
    scale: float = 1.0
    curve: str = "exp"
    to: float | None = None
    condition: str = ""
    log: bool = False
    idf: bool = False

    def within(self, reference: float, width: float) -> tuple[float, float]:
        """The least and the greatest number at most ``width`` scales from ``reference``."""
        if not self.log:
            return reference - width * self.scale, reference + width * self.scale
        if reference <= 0:
            return math.nan, math.nan
        # A double ends near exp(709).
        factor = math.exp(min(width * self.scale, 700.0))
        return reference / factor, min(reference * factor, MAX_NUMBER)


def parse(given: Any, catalogue: Catalogue) -> list[Boost]:
    """Boosts from texts like those above. Raises InvalidParameter ("boosts"), UnknownField."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise _wrong(f"boosts is {brief(given)}", "It is a list of texts like 0.3*near(year,8)")
    if len(texts) > MAX_BOOSTS:
        raise _wrong(f"there are {len(texts)} boosts", f"The limit is {MAX_BOOSTS}")
    return [_boost(text, catalogue) for text in texts]


def _boost(text: str, catalogue: Catalogue) -> Boost:
    boost = _read_once(text) if len(text) <= MAX_KEPT else _read(text)
    if boost.kind in FIELD_TYPES:
        _check_field(boost.field, boost.kind, catalogue)
    if boost.kind == "match":
        _check_condition(boost, catalogue)
    texts = (spec for spec in catalogue.fields.values() if spec.type == "text")
    if boost.kind == "words" and not any(texts):
        raise _wrong(f"{text!r} needs a text field, there is none", "Leave it out")
    return boost


def _read(text: str) -> Boost:
    found = TEXT.fullmatch(text)
    if not found:
        raise _wrong(f"the boost {brief(text)} cannot be read", "Write 0.3*near(year,8)")
    weight = 1.0 if found[1] is None else _number(found[1], text)
    kind, inside = found[2], found[3]
    if abs(weight) > MAX_WEIGHT:
        raise _wrong(f"the weight of {brief(text)} is too large", f"It is up to {MAX_WEIGHT:g}")
    if kind not in KINDS:
        raise _wrong(f"there is no boost {kind!r}", suggest(kind, KINDS, "boosts"))
    if kind == "match":
        return Boost(text, kind, weight, condition=inside.strip())
    if kind == "words":
        if inside.strip():
            raise _wrong(f"{inside.strip()!r} in {text!r} cannot be read", "Write 0.2*words()")
        return Boost(text, kind, weight)
    field, *options = (part.strip() for part in inside.split(","))
    return _with_options(Boost(text, kind, weight, field), options)


_read_once = lru_cache(maxsize=1000)(_read)


def _with_options(boost: Boost, options: Sequence[str]) -> Boost:
    has_scale, given = boost.kind in ("near", "fresh"), dict[str, Any]()
    for option in options:
        name, is_named, value = option.partition("=")
        if is_named and name.strip() == "to" and boost.kind == "near":
            given["to"] = _number(value, boost.text)
        elif option in CURVES and has_scale:
            given["curve"] = option
        elif (option, boost.kind) in SWITCHES:
            given[option] = True
        elif "scale" not in given and has_scale:
            given["scale"] = _duration(option, boost.text)
        else:
            raise _wrong(f"{option!r} in {boost.text!r} cannot be read", "See the docs on boosts")
    if has_scale and not given.get("scale", 0.0) > 0:
        raise _wrong(f"{boost.text!r} has no scale above 0", f"Write {boost.kind}({boost.field},8)")
    if given.get("log") and given.get("to", 1.0) <= 0:
        raise _wrong(f"{boost.text!r} has no logarithm", "With log, to is a number above 0")
    return replace(boost, **given)


def _check_condition(boost: Boost, catalogue: Catalogue) -> None:
    try:
        where.parse(boost.condition, catalogue)
    except InvalidParameter as error:
        raise _wrong(f"in {brief(boost.text)} {error.message}", error.remedy) from error


def _check_field(field: str, kind: str, catalogue: Catalogue) -> None:
    wanted = FIELD_TYPES[kind]
    if field in catalogue.fields and catalogue.fields[field].type == wanted:
        return
    fitting = [name for name, spec in catalogue.fields.items() if spec.type == wanted]
    if field not in catalogue.fields:
        raise UnknownField("boosts", field, fitting)
    raise _wrong(
        f"{kind} is for {wanted} fields, {field!r} is {catalogue.fields[field].type}",
        suggest(field, fitting, f"{wanted} fields"),
    )


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise _wrong(f"{text.strip()!r} in {whole!r} is not a number", "Write one") from error
    if not math.isfinite(number):
        raise _wrong(f"{text.strip()!r} in {whole!r} is not finite", "Write another number")
    return number


def _duration(text: str, whole: str) -> float:
    unit = UNITS.get(text[-1:]) if text[:-1] else None
    return _number(text[:-1], whole) * unit if unit else _number(text, whole)


def _wrong(message: str, remedy: str) -> InvalidParameter:
    return InvalidParameter("boosts", message, remedy=remedy)


def of_number(
    boost: Boost, values: Signal, reference: float, span: tuple[float, float], now: float
) -> Signal:
    """The signal ``(n,)`` of near, fresh, high or low for ``values`` ``(n,)``, NaN where missing.

    ``reference`` is the seed's own number, NaN where it has none; ``span`` the field's least and
    greatest number in the catalogue; ``now`` in epoch seconds.
    """
    if boost.kind == "near":
        to = reference if boost.to is None else boost.to
        return closeness(distance(values, to, boost.log), boost.scale, boost.curve)
    if boost.kind == "fresh":
        return closeness(np.maximum(now - values, 0.0), boost.scale, boost.curve)
    high = height(values, *span)
    return high if boost.kind == "high" else 1.0 - high


def distance(values: Signal, reference: float, log: bool = False) -> Signal:
    """``|value - reference|``, or with ``log`` ``|ln(value / reference)|``: NaN up to 0."""
    if not log:
        return np.abs(values - reference)
    positive = np.where(values > 0, values, math.nan)
    return np.abs(np.log(positive) - (math.log(reference) if reference > 0 else math.nan))


def closeness(distance: Signal, scale: float, curve: str) -> Signal:
    """1 at no distance, falling to 0: exp(-d/s), max(0, 1 - d/s) or exp(-(d/s)^2/2)."""
    with np.errstate(over="ignore"):  # by a tiny scale: that is as far as can be
        ratio = np.abs(distance) / scale
        if curve == "linear":
            return np.maximum(0.0, 1.0 - ratio)
        return np.exp(-ratio) if curve == "exp" else np.exp(-0.5 * ratio**2)


def height(values: Signal, low: float, high: float) -> Signal:
    """0 at ``low``, 1 at ``high``; by logarithms where the numbers span more than a hundredfold.

    Popularity and prices are spread so that a straight line would put nearly all of them at 0.
    """
    if not high > low:
        return np.zeros_like(values)
    if low >= 0 and high > 100 * max(low, 0.01):
        return (np.log1p(values) - math.log1p(low)) / (math.log1p(high) - math.log1p(low))
    return (values - low) / (high - low)


def lowered(blob: bytes) -> frozenset[str]:
    """Labels in lower case, from the bytes that they are kept as; short ones are remembered."""
    return _lowered_once(blob) if len(blob) <= MAX_KEPT else _lowered(blob)


def _lowered(blob: bytes) -> frozenset[str]:
    # Interned, for many items have the same labels; equal ones are then the same object.
    return frozenset(map(sys.intern, map(str.lower, blob.decode().split(TAG_SEPARATOR))))


_lowered_once = lru_cache(maxsize=10_000)(_lowered)


def overlaps(
    labels: Sequence[Collection[str]], seed: Sequence[str], idf: Mapping[str, float] | None = None
) -> Signal:
    """Labels in common with the seed by labels in all (Jaccard, 1901); their case is ignored.

    A frozenset among ``labels`` is one of :func:`lowered`, in lower case already.
    ``idf`` gives each label of the seed, in lower case, its weight (see :func:`rarity`). Labels
    that the seed does not have count as much as its own do on average, so that nothing more needs
    to be known; where all weigh the same that is Jaccard again.
    """
    wanted = {label.lower() for label in seed}
    weights = {label: 1.0 if idf is None else idf.get(label, 0.0) for label in wanted}
    total = math.fsum(weights.values())
    out = np.zeros(len(labels))
    if not total > 0:
        return out
    for row, own in enumerate(labels):
        mine = own if isinstance(own, frozenset) else frozenset(map(str.lower, own))
        if shared := mine & wanted:
            others = (len(mine) - len(shared)) * total / len(wanted)
            out[row] = math.fsum(weights[label] for label in shared) / (total + others)
    return out


def rarity(having: int, items: int) -> float:
    """The weight of a label that ``having`` of ``items`` items have: ln(1 + items / having).

    The inverse document frequency of Sparck Jones 1972, kept above 0 for what all have; 0 for a
    label that nobody has.
    """
    return math.log1p(items / having) if having > 0 else 0.0
