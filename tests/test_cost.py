"""What embedding would cost: counted where tiktoken can, estimated where not, never waited for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from recommender.cost import RECENT, Cost, Meter
from recommender.embedders.remote import OPENAI_DIMS
from recommender.settings import Settings
from recommender.tokens import encoding_of, estimate

OPENAI = Settings(home=Path("/nonexistent"))
SMALL = "openai:text-embedding-3-small"


@pytest.fixture
def tiktoken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tiktoken with a vocabulary that needs no download: a token is a byte."""
    package = pytest.importorskip("tiktoken", reason="needs the extra [cost]")
    bytewise = package.Encoding(
        "cl100k_base",
        pat_str=r"(?s:.)",
        mergeable_ranks={bytes([byte]): byte for byte in range(256)},
        special_tokens={"<|endoftext|>": 256},
    )
    monkeypatch.setitem(package.registry.ENCODINGS, "cl100k_base", bytewise)
    encoding_of.cache_clear()
    yield package
    encoding_of.cache_clear()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """No vocabulary on this machine, and a network that refuses every connection."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    encoding_of.cache_clear()
    yield
    encoding_of.cache_clear()


def metered(name: str, texts: list[str], settings: Settings = OPENAI) -> Cost:
    meter = Meter(name, settings)
    for text in texts:
        meter.add(text)
    return meter.cost()


# Counted


def test_tokens_are_counted_and_priced(tiktoken: Any) -> None:
    cost = metered(SMALL, ["x" * 600, "y" * 400])
    assert cost == Cost(texts=2, tokens=1000, dollars=1000 * 0.02 / 1e6, exact=True)
    assert cost.to_dict() == {"texts": 2, "tokens": 1000, "dollars": 0.00002, "exact": True}


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("text-embedding-3-small", 0.02),
        ("text-embedding-3-large", 0.13),
        ("text-embedding-ada-002", 0.10),
    ],
)
def test_the_price_of_a_million_tokens(tiktoken: Any, model: str, dollars: float) -> None:
    cost = metered(f"openai:{model}", [f"{number:02}" + "x" * 9_998 for number in range(100)])
    assert (cost.tokens, cost.dollars) == (1_000_000, pytest.approx(dollars))


def test_every_model_of_openais_has_a_price(tiktoken: Any) -> None:
    assert all(metered(f"openai:{model}", ["x"]).dollars for model in OPENAI_DIMS)


def test_a_text_that_looks_like_a_command_to_the_model_is_text(tiktoken: Any) -> None:
    assert metered(SMALL, ["<|endoftext|>", "\ud800"]).tokens == 13 + 3


def test_a_long_text_costs_what_its_passages_cost(tiktoken: Any) -> None:
    assert metered(SMALL, ["x" * 32_000]).tokens == 32_000 + 2 * 1_638


def test_equal_texts_are_paid_for_once(tiktoken: Any) -> None:
    texts = [f"{number:04}" for number in range(2 * RECENT + 10)]
    assert metered(SMALL, texts + texts[::-1]).tokens == 4 * len(texts)
    assert metered(SMALL, ["ab", "ab"]) == Cost(2, 2, 2 * 0.02 / 1e6, True)


def test_blank_texts_are_not_sent(tiktoken: Any) -> None:
    assert metered(SMALL, ["", " \n"]) == Cost(2, 0, 0.0, True)


# Whose price


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (SMALL, {"openai_base_url": "http://localhost:11434/v1"}),
        (SMALL, {"azure_endpoint": "https://mine.openai.azure.com"}),
        ("openai:text-embedding-9-huge", {}),
        ("mine:model", {}),
    ],
)
def test_a_price_that_nobody_knows(tiktoken: Any, name: str, settings: dict[str, str]) -> None:
    cost = metered(name, ["some words"], Settings(home=Path("/nonexistent"), **settings))
    assert (cost.texts, cost.dollars) == (1, None)
    assert cost.tokens > 0
    assert metered(name, [], Settings(home=Path("/nonexistent"), **settings)).dollars == 0


def test_openais_own_address_has_its_price(tiktoken: Any) -> None:
    settings = Settings(home=Path("/nonexistent"), openai_base_url="https://api.openai.com/v1/")
    assert metered(SMALL, ["some words"], settings).dollars


def test_the_sum_of_costs() -> None:
    known, free = Cost(2, 10, 0.5, True), Cost(3, 0, 0.0, True)
    assert Cost.sum([known, free, known]) == Cost(7, 20, 1.0, True)
    assert Cost.sum([known, Cost(1, 5, None, False)]) == Cost(3, 15, None, False)
    assert Cost.sum([]) == Cost(0, 0, 0, True)


# Estimated


def test_without_a_network_it_is_an_estimate(offline: None) -> None:
    cost = metered(SMALL, ["The quick brown fox jumps over the lazy dog."])
    assert (cost.texts, cost.exact) == (1, False)
    assert 10 <= cost.tokens <= 13  # really 10
    assert cost.dollars == cost.tokens * 0.02 / 1e6


TOKENS = {
    "The best-laid schemes of mice and men go oft awry, and leave us nothing but grief.": 21,
    "Der alte Müller ging über die Brücke, während draußen der Regen schlug.": 20,
    "欧洲联盟是欧洲多国共同建立的政治及经济联盟。": 29,
}
"""Texts, and how many tokens they have in cl100k_base."""


@pytest.mark.parametrize("text", TOKENS)
def test_an_estimate_is_near_the_truth(text: str) -> None:
    assert estimate(text) == pytest.approx(TOKENS[text], rel=0.2)


@given(st.text(), st.text())
def test_an_estimate_grows_with_the_text(text: str, more: str) -> None:
    assert 0 <= estimate(text) <= estimate(text + more) <= estimate(text) + estimate(more)
    assert estimate(text) <= len(text.encode()) + 1


HANGING = """
from pathlib import Path
from recommender import tokens
from recommender.cost import Meter
from recommender.settings import Settings
tokens.PATIENCE = 0.5
meter = Meter("openai:text-embedding-3-small", Settings(home=Path("/nonexistent")))
for _ in range(1000):
    meter.add("some words")
print(meter.cost().exact)
"""


def test_a_network_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", HANGING],
            env={**os.environ, "HTTPS_PROXY": proxy, "TIKTOKEN_CACHE_DIR": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


MISSING = """
import sys
import zipfile
sys.modules["tiktoken"] = None
from recommender.tokens import encoding_of
print(encoding_of("text-embedding-3-small"))
"""


def test_without_the_extra_it_is_an_estimate() -> None:
    command = [sys.executable, "-c", MISSING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_the_prices_are_in_the_wheel(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="builds the wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        assert "recommender/prices.yaml" in wheel.namelist()
