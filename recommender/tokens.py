"""How many tokens a text has: tiktoken's count where it can be had, else an estimate."""

from __future__ import annotations

import functools
import math
import threading
from typing import Any

PATIENCE = 5.0
"""Seconds that the vocabulary may take: tiktoken downloads it once a machine, and would wait for a
network that never answers."""

ASCII_BYTES_PER_TOKEN, OTHER_BYTES_PER_TOKEN = 3.8, 2.6
"""Measured with cl100k_base: English 3.8, German 3.75, French 3.7, Python 4.2; Chinese and Japanese
2.5, Korean 2.4, Arabic, Hindi and Thai 2.7, Russian 3.5, Greek 1.95."""

ASCII = bytes(range(128))


def estimate(text: str) -> int:
    """About how many tokens of OpenAI's models the text has.

    Within 7 % for English, German, French, Chinese, Japanese, Arabic, Hindi and Thai; 12 % too few
    for Korean, 25 % for Finnish and Greek, half for rows of numbers; a third too many for Russian.
    """
    data = text.encode(errors="surrogatepass")
    others = len(data.translate(None, ASCII))
    tokens = (len(data) - others) / ASCII_BYTES_PER_TOKEN + others / OTHER_BYTES_PER_TOKEN
    return math.ceil(tokens)


@functools.cache
def encoding_of(model: str) -> Any | None:
    """The tokenizer of one of OpenAI's models, from tiktoken.

    None where tiktoken is not installed or does not know the model, and where its vocabulary is
    not on this machine and cannot be downloaded within ``PATIENCE``.
    """
    found: list[Any] = []

    def load() -> None:
        try:
            import tiktoken  # here, because it is an extra

            found.append(tiktoken.encoding_for_model(model))
        except (ImportError, KeyError, OSError, ValueError):
            pass  # no package, model, network, or not the file that it should be

    # requests.get without a timeout cannot be stopped, but it can be left behind.
    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return found[0] if found else None
