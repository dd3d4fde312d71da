"""Why a hit stands where it does: as figures that add up, and as one plain sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LABELS = 5
"""So many labels, and words, are named in the sentence."""

FALLBACKS = {
    "popular": ", this is one of the most popular",
    "latest": ", this is one of the latest",
}
"""What a hit is that fills a short answer; of same_tag the labels tell it."""

BOOST = re.compile(r"([a-z]+)\s*\(")
SAID = {
    "near": "a close {}",
    "fresh": "a recent {}",
    "high": "a high {}",
    "low": "a low {}",
    "overlap": "{} in common",
    "words": "words in common",
}
"""What a boost rewards, by its kind; a match is its own condition."""


def told(
    why: Mapping[str, Any],
    seed: Mapping[str, Any],
    own: Mapping[str, Any],
    relevance: float | None = None,
) -> dict[str, Any]:
    """``why`` with the labels that the fields of the seed and the item share, and the sentence."""
    whole = {**why, "shared": shared(seed, own)}
    return {**whole, "sentence": "; ".join(_parts(whole, relevance))}


def shared(seed: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, list[str]]:
    """The labels in common, tag by tag; their case is ignored."""
    found = {}
    for name, value in seed.items():
        labels = own.get(name)
        if isinstance(value, list) and isinstance(labels, list):
            lower = {label.lower() for label in labels}
            if common := [label for label in value if label.lower() in lower]:
                found[name] = common
    return found


def _parts(why: Mapping[str, Any], relevance: float | None) -> Iterator[str]:
    if "fallback" in why:
        yield "nothing more was similar" + FALLBACKS.get(why["fallback"], "")
    if "similarity" in why:
        yield _similarity(why, relevance)
    if "words" in why:
        yield _words(why["words"])
    yield from _boosted(why.get("boosts", {}))
    if why["shared"]:
        labels = [label for common in why["shared"].values() for label in common]
        distinct = {label.lower(): label for label in reversed(labels)}
        yield f"shares {_listed([*distinct.values()][::-1])}"
    if "nearest_chosen" in why.get("mmr", ()):
        yield f"at most {why['mmr']['nearest_chosen']:.2f} similar to a hit above"
    if count := len(why.get("duplicates", ())):
        yield f"stands for {count} more that {'is' if count == 1 else 'are'} nearly the same"


def _similarity(why: Mapping[str, Any], relevance: float | None) -> str:
    """``similarity 0.73 (relevance 0.60, text 0.80, image 0.55, nearest to alien)``."""
    known = [] if relevance is None else [f"relevance {relevance:.2f}"]
    known += [f"{name} {value:.2f}" for name, value in why.get("similarities", {}).items()]
    if "nearest" in why:
        known.append(f"nearest to {why['nearest']}")
    return f"similarity {why['similarity']:.2f}" + (f" ({', '.join(known)})" if known else "")


def _boosted(shares: Mapping[str, float]) -> Iterator[str]:
    """``+0.20 for genres in common``, the greatest first; alike but for scale they are one."""
    named: dict[str, float] = {}
    for text, share in shares.items():
        _, kind, inside = BOOST.split(text, maxsplit=1)
        field = inside.rstrip(") ").partition(",")[0].strip()
        said = SAID.get(kind, "{}").format(inside.rstrip()[:-1] if kind == "match" else field)
        named[said] = named.get(said, 0.0) + share
    strong = sorted(named.items(), key=lambda pair: -abs(pair[1]))
    yield from (f"{share:+.2f} for {said}" for said, share in strong if abs(share) >= 0.005)


def _words(words: Mapping[str, Any]) -> str:
    """``words 0.85 of the best (heist, robots)``; forms of a word are found and not named."""
    held = _listed(words.get("matched", ()))
    return f"words {words['share']:.2f} of the best" + (f" ({held})" if held else "")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LABELS} more" if len(names) > LABELS else ""
    return ", ".join(names[:LABELS]) + more
