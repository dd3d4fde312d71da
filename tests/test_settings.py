"""Settings: the environment, read once, and nowhere else."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from pathlib import Path

import pytest

from recommender import RecommenderError, Settings

ROOT = Path(__file__).resolve().parent.parent
READERS = {"environ", "environb", "getenv", "getenvb"}
ALL = {
    "RECOMMENDER_HOME": "/data/home",
    "REDIS_URL": "redis://me:hidden1@db:6379/2",
    "OPENAI_API_KEY": "hidden2",
    "OPENAI_BASE_URL": "https://models.example.org/v1",
    "AZURE_OPENAI_ENDPOINT": "https://mine.example.org",
    "AZURE_OPENAI_API_KEY": "hidden3",
    "OPENAI_API_VERSION": "2024-10-21",
    "RECOMMENDER_CONCURRENCY": "3",
    "PROMETHEUS_MULTIPROC_DIR": "/run/figures",
    "RECOMMENDER_READ_KEYS": "hidden-to-all-but-readers",
    "RECOMMENDER_WRITE_KEYS": "hidden-to-all-but-one,hidden-to-all-but-two",
    "RECOMMENDER_CORS_ORIGINS": "https://a.example, http://localhost:3000",
    "RECOMMENDER_CACHE_SECONDS": "60",
    "RECOMMENDER_RATE_LIMIT": "600/minute; 10/2 seconds",
    "RECOMMENDER_PROXIES": "1",
    "RECOMMENDER_EVENTS": "open",
}


def test_every_variable_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    assert {*re.findall(r"`([A-Z][A-Z_]{5,})`", table)} == {*ALL}


def test_every_variable_has_its_place() -> None:
    settings = Settings.from_env(ALL)
    assert settings == Settings(
        home=Path("/data/home"),
        redis_url="redis://me:hidden1@db:6379/2",
        openai_api_key="hidden2",
        openai_base_url="https://models.example.org/v1",
        azure_endpoint="https://mine.example.org",
        azure_api_key="hidden3",
        azure_api_version="2024-10-21",
        concurrency=3,
        metrics_dir=Path("/run/figures"),
        read_keys=("hidden-to-all-but-readers",),
        write_keys=("hidden-to-all-but-one", "hidden-to-all-but-two"),
        cors_origins=("https://a.example", "http://localhost:3000"),
        cache_seconds=60,
        rate_limits=((600, 60), (10, 2)),
        proxies=1,
        events=True,
    )


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_what_is_empty_counts_as_unset(value: str | None) -> None:
    env = {} if value is None else dict.fromkeys(ALL, value)
    settings = Settings.from_env(env)
    assert settings.home.is_absolute()
    assert settings.home.name == "recommender"
    assert settings.concurrency == 8
    lists = {"read_keys", "write_keys", "cors_origins", "rate_limits"}
    assert {getattr(settings, name) for name in lists} == {()}
    assert (settings.cache_seconds, settings.proxies) == (0, 0)
    numbers = {"home", "concurrency", "cache_seconds", "proxies"}
    assert settings.events is False
    others = {f.name for f in fields(settings)} - lists - numbers - {"events"}
    assert {getattr(settings, name) for name in others} == {None}


def test_spaces_around_a_value_are_cut_off() -> None:
    assert Settings.from_env({"REDIS_URL": " redis://db \n"}).redis_url == "redis://db"


@pytest.mark.parametrize(
    ("home", "path"),
    [
        ("~/here", Path.home() / "here"),
        ("/a/../b", Path("/b")),
        ("here", Path.cwd() / "here"),
    ],
)
def test_the_home_is_made_absolute(home: str, path: Path) -> None:
    assert Settings.from_env({"RECOMMENDER_HOME": home}).home == path


def test_a_home_of_nobody_is_refused() -> None:
    with pytest.raises(RecommenderError, match="RECOMMENDER_HOME is '~nobody-of-this-name/x': "):
        Settings.from_env({"RECOMMENDER_HOME": "~nobody-of-this-name/x"})


@pytest.mark.parametrize("calls", [1, 64])
def test_so_many_calls_at_once_can_be(calls: int) -> None:
    assert Settings.from_env({"RECOMMENDER_CONCURRENCY": str(calls)}).concurrency == calls


@pytest.mark.parametrize("value", ["0", "65", "-1", "8.0", "many", "٣", "9" * 5000])
def test_so_many_calls_at_once_cannot_be(value: str) -> None:
    with pytest.raises(RecommenderError, match=r"CONCURRENCY is '.*from 1 to 64\. Set it to one"):
        Settings.from_env({"RECOMMENDER_CONCURRENCY": value})


@pytest.mark.parametrize(
    "origin",
    [
        "a.example", "https://", "https://a.example/", "https://a.example/path", "ftp://a.example",
        "https://A.example", "https://me@a.example", "https://a.example:0", "https://*.a.example",
        "https://a.example:port", "https://-a", "https://a..b", "https://a.example?x", "null",
        "https://a.example\u0660",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(RecommenderError, match=r"CORS_ORIGINS names .*, which is no origin\."):
        Settings.from_env({"RECOMMENDER_CORS_ORIGINS": f"https://b.example,{origin}"})


@pytest.mark.parametrize("origin", ["https://[::1]:8080", "http://a", "https://a-b.c_d.example:1"])
def test_what_is_an_origin(origin: str) -> None:
    found = Settings.from_env({"RECOMMENDER_CORS_ORIGINS": f"{origin}, ,{origin},"})
    assert found.cors_origins == (origin,)


def test_every_origin() -> None:
    every = Settings.from_env({"RECOMMENDER_CORS_ORIGINS": "https://a.example,*"})
    assert every.cors_origins == ("*",)


@pytest.mark.parametrize(
    "rate", ["600", "600/", "/minute", "0/minute", "1/0 seconds", "-1/day", "1/2 days", "9e9/day",
             "1000001/day", "600/fortnight", "6.5/minute", "٣/minute", "600/minute, 1/day"],
)  # fmt: skip
def test_what_is_no_rate_is_refused(rate: str) -> None:
    with pytest.raises(RecommenderError, match=r"RATE_LIMIT names .*, which is no rate\."):
        Settings.from_env({"RECOMMENDER_RATE_LIMIT": f"5/second;{rate}"})


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("600/minute", ((600, 60),)),
        ("5 per Second; 1000/1 day;", ((5, 1), (1000, 86_400))),
        ("100/10seconds;7/2 hours", ((100, 10), (7, 7200))),
    ],
)
def test_rates(text: str, rates: tuple[tuple[int, int], ...]) -> None:
    assert Settings.from_env({"RECOMMENDER_RATE_LIMIT": text}).rate_limits == rates


@pytest.mark.parametrize("name", ["RECOMMENDER_PROXIES", "RECOMMENDER_CACHE_SECONDS"])
@pytest.mark.parametrize("value", ["-1", "1.5", "86401", "x", "٣"])
def test_numbers_out_of_their_range(name: str, value: str) -> None:
    with pytest.raises(RecommenderError, match=f"{name} is .*a whole number from 0 to"):
        Settings.from_env({name: value})


def test_events_are_open_or_closed() -> None:
    for text, is_open in (("open", True), ("Open", True), ("closed", False)):
        assert Settings.from_env({"RECOMMENDER_EVENTS": text}).events is is_open
    with pytest.raises(RecommenderError, match=r"RECOMMENDER_EVENTS is 'yes'\. Set it to open"):
        Settings.from_env({"RECOMMENDER_EVENTS": "yes"})


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings.from_env(ALL))
    assert "hidden" not in shown
    assert "models.example.org" in shown


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.from_env({}).redis_url = "redis://other"  # type: ignore[misc]


def test_the_processes_own_environment_is_the_default() -> None:
    ask = "from recommender import Settings; print(Settings.from_env().redis_url)"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "REDIS_URL": "redis://from-the-environment", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "redis://from-the-environment"


def readings(path: Path) -> Iterator[str]:
    """The lines of a file that name one of READERS, as an attribute or by importing it."""
    for node in ast.walk(ast.parse(path.read_text())):
        named = (isinstance(node, ast.Attribute) and node.attr in READERS) or (
            isinstance(node, ast.ImportFrom) and any(a.name in READERS for a in node.names)
        )
        if named and ast.unparse(node) != "request.environ":  # which is of one request
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_the_environment_is_read_in_settings_only() -> None:
    files = [
        path for top in ("recommender", "loaders", "api") for path in (ROOT / top).rglob("*.py")
    ]
    assert len(files) > 20
    found = [line for path in files for line in readings(path)]
    assert found, "the test itself finds nothing"
    assert {line.partition(":")[0] for line in found} == {"recommender/settings.py"}, found


def test_a_configuration_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://environment")
    monkeypatch.setenv("OPENAI_API_KEY", "of the environment")
    settings = Settings.from_config(
        {
            "REDIS_URL": "redis://configuration",
            "RECOMMENDER_HOME": Path("/data/blog"),
            "RECOMMENDER_CONCURRENCY": 3,
            "RECOMMENDER_READ_KEYS": ["a-key-of-a-reader", "a-key-of-another"],
            "OPENAI_API_KEY": None,
            "PERMANENT_SESSION_LIFETIME": timedelta(days=31),  # others' values are nothing to us
        }
    )
    assert settings == Settings(
        home=Path("/data/blog"),
        redis_url="redis://configuration",
        concurrency=3,
        read_keys=("a-key-of-a-reader", "a-key-of-another"),
        openai_api_key="of the environment",
    )
    assert Settings.from_config({}).redis_url == "redis://environment"
    assert Settings.from_config({"REDIS_URL": ""}).redis_url is None
    with pytest.raises(RecommenderError, match="RECOMMENDER_CONCURRENCY"):
        Settings.from_config({"RECOMMENDER_CONCURRENCY": 65})
