"""What it would cost to embed some texts: tokens, and dollars where the price is known."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import yaml

from recommender.embedders.passages import split
from recommender.embedders.remote import OPENAI_URL, max_bytes_of
from recommender.seen import SeenIds
from recommender.settings import Settings
from recommender.tokens import encoding_of, estimate

RECENT = 1000
"""Texts held whole; of those before them, however many, only a digest is."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to embed ``texts`` texts remotely.

    ``tokens`` are those sent over the network; ``exact`` says that they were counted and not
    estimated. ``dollars`` is None where the price is not known.
    """

    texts: int
    tokens: int
    dollars: float | None
    exact: bool

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """All of them together; its dollars are known where those of each are."""
        costs = list(costs)
        dollars = [cost.dollars for cost in costs if cost.dollars is not None]
        return cls(
            texts=sum(cost.texts for cost in costs),
            tokens=sum(cost.tokens for cost in costs),
            dollars=sum(dollars, 0.0) if len(dollars) == len(costs) else None,
            exact=all(cost.exact for cost in costs),
        )

    def to_dict(self) -> dict[str, Any]:
        """The cost as it goes out with ``--json``; dollars to a millionth."""
        dollars = None if self.dollars is None else round(self.dollars, 6)
        return asdict(self) | {"dollars": dollars}


class Meter:
    """Adds up what the texts given to one remote embedder would cost; nothing is sent anywhere.

    ``settings`` say whose server it is (the environment's by default): only OpenAI's own has a
    price. Tokens are counted as they would be sent: equal texts once, because what was paid for is
    kept, long ones as overlapping passages, blank ones not at all.
    """

    def __init__(self, embedder_name: str, settings: Settings | None = None) -> None:
        settings = settings or Settings.from_env()
        kind, _, model = embedder_name.partition(":")
        self._model = model.rpartition("/")[2] if kind == "openai" else None
        self._max_bytes = max_bytes_of(model, settings) if kind == "openai" else None
        self._price = _price(self._model) if self._model and _is_openai(settings) else None
        self._texts = self._tokens = 0
        self._exact = True
        self._seen = SeenIds()
        self._recent: set[str] = set()

    def add(self, text: str) -> None:
        """One more text; the first may take seconds, when tiktoken fetches its vocabulary."""
        self._texts += 1
        if not text.strip() or not self._is_new(text):
            return
        passages = [text] if self._max_bytes is None else split(text, self._max_bytes)
        encoding = encoding_of(self._model) if self._model else None
        if encoding is None:
            self._exact = False
            self._tokens += sum(map(estimate, passages))
        else:
            self._tokens += sum(len(encoding.encode_ordinary(passage)) for passage in passages)

    def cost(self) -> Cost:
        """What the texts so far would cost."""
        dollars = None if self._price is None else self._tokens * self._price / 1e6
        if not self._tokens:  # nothing is sent, so nobody's price matters
            dollars = 0.0
        return Cost(self._texts, self._tokens, dollars, self._exact)

    def _is_new(self, text: str) -> bool:
        if text in self._recent or self._seen.known([text])[0]:
            return False
        self._recent.add(text)
        if len(self._recent) == RECENT:  # one by one they would be slow to add
            self._seen.add(list(self._recent))
            self._recent.clear()
        return True


def _is_openai(settings: Settings) -> bool:
    """Whether texts would go to OpenAI itself: prices of others are others' business."""
    address = settings.azure_endpoint or settings.openai_base_url or OPENAI_URL
    return urlsplit(address).hostname == urlsplit(OPENAI_URL).hostname


def _price(model: str) -> float | None:
    """Dollars for a million tokens, None for a model without a known price."""
    return _prices().get(model)


@functools.cache
def _prices() -> dict[str, float]:
    data = yaml.safe_load(files("recommender").joinpath("prices.yaml").read_text("utf-8"))
    return {model: float(price) for model, price in data["dollars_per_million_tokens"].items()}
