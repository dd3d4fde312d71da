"""Why a hit stands where it does: as figures that add up, and as one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LABELS = 5
"""So many shared labels are named in the sentence."""


def told(why: Mapping[str, Any], seed: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``why`` with the labels that the fields of the seed and the item share, and the sentence."""
    whole = {**why, "shared": shared(seed, own)}
    return {**whole, "sentence": _sentence(whole)}


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


def _sentence(why: Mapping[str, Any]) -> str:
    parts = []
    if "fallback" in why:
        parts.append(f"nothing more was similar: {why['fallback']}")
    if "similarity" in why:
        nearest = f" (nearest to {why['nearest']})" if "nearest" in why else ""
        parts.append(f"similarity {why['similarity']:.2f}{nearest}")
    if "words" in why:
        matched = ", ".join(why["words"].get("matched", ())[:LABELS])
        held = f" ({matched})" if matched else ""
        parts.append(f"words {why['words']['share']:.2f} of the best{held}")
    strong = sorted(why.get("boosts", {}).items(), key=lambda pair: -abs(pair[1]))
    parts += [f"{share:+.2f} from {text}" for text, share in strong if abs(share) >= 0.005]
    if why["shared"]:
        labels = [label for common in why["shared"].values() for label in common]
        parts.append(f"shares {', '.join(labels[:LABELS])}")
    if why.get("mmr", {}).get("nearest_chosen"):
        parts.append(f"as near as {why['mmr']['nearest_chosen']:.2f} to a hit above")
    if why.get("duplicates"):
        parts.append(f"stands for {len(why['duplicates'])} more that are nearly the same")
    return "; ".join(parts)
