"""The registry, with real little packages: their metadata in a folder on the path of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recommender import registry
from recommender.embedders.static import WordLlama
from recommender.errors import InvalidCatalogue, SourceError

ROOT = Path(__file__).resolve().parent.parent
ASK = """
import sys
import types

sys.modules["recommender"] = package = types.ModuleType("recommender")
package.__path__ = ["{root}/recommender"]  # without its __init__, which takes a second
from recommender import registry
from recommender.errors import RecommenderError
try:
    print({ask})
except RecommenderError as error:
    print(type(error).__name__, error, sep=": ")
except Exception as error:
    print("raw", type(error).__name__, error, sep=": ")
"""

Install = Callable[..., None]
Ask = Callable[[str], str]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """``install("pkg", group, "name = module:attribute", "module's code")``, as pip would."""

    def put(package: str, group: str, entry: str, code: str | None = None) -> None:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[recommender.{group}]\n{entry}\n")
        if code is not None:
            (tmp_path / f"{package}.py").write_text(code)

    return put


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """``ask("registry.find(...)")``: what a new process with the installed packages prints."""

    def run(expression: str) -> str:
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-c", ASK.format(ask=expression, root=ROOT)],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.stdout.strip()

    return run


def test_what_is_built_in() -> None:
    assert {"openai", "wordllama"} <= set(registry.names("recommender.embedders"))
    assert {"csv", "json", "ndjson", "tsv"} <= set(registry.names("recommender.loaders"))
    assert registry.names("recommender.loaders") == sorted(registry.names("recommender.loaders"))
    assert registry.find("recommender.embedders", "wordllama") is WordLlama


@pytest.mark.parametrize("group", ["recommender.embedders", "recommender.loaders"])
def test_everything_built_in_can_be_found(group: str) -> None:
    for name in registry.BUILT_IN[group]:
        assert callable(registry.find(group, name))


@pytest.mark.parametrize(
    ("group", "name", "kind", "said"),
    [
        ("embedders", "wordlama", InvalidCatalogue, "no embedder 'wordlama'. Did you mean 'wordl"),
        ("embedders", "", InvalidCatalogue, "no embedder ''. The embedders are: "),
        ("loaders", "ndjsn", SourceError, "no loader 'ndjsn'. Did you mean 'ndjson'?"),
        ("loaders", "xlsx.zip", SourceError, "no loader 'xlsx.zip'. The loaders are: csv, feed"),
        ("loaders", "CSV", SourceError, "no loader 'CSV'"),
    ],
)
def test_an_unknown_name_gets_a_hint(group: str, name: str, kind: type, said: str) -> None:
    with pytest.raises(kind) as caught:
        registry.find(f"recommender.{group}", name)
    assert said in str(caught.value)


def test_a_package_adds_a_name(install: Install, ask: Ask) -> None:
    install("letters", "embedders", "letters = letters:embedder", "embedder = 'the embedder'")
    assert ask("registry.find('recommender.embedders', 'letters')") == "the embedder"
    assert "'letters', 'openai'" in ask("registry.names('recommender.embedders')")
    assert "letters" not in ask("registry.names('recommender.loaders')")


def test_a_package_is_imported_only_when_its_name_is_asked_for(install: Install, ask: Ask) -> None:
    install("broken", "loaders", "broken = broken:load", "raise SystemExit('imported')")
    assert "'broken', 'csv'" in ask("registry.names('recommender.loaders')")
    assert "delimited" in ask("registry.find('recommender.loaders', 'csv').__module__")


@pytest.mark.parametrize("call", ["names({})", "find({}, 'csv')", "find({}, 'json')"])
def test_a_clash_with_a_built_in_is_refused_aloud(install: Install, ask: Ask, call: str) -> None:
    install("better", "loaders", "csv = better:load", "load = None")
    said = ask("registry." + call.format("'recommender.loaders'"))
    assert said.startswith("InvalidCatalogue: better:load wants the name 'csv'")
    assert said.endswith("which is loaders.delimited:load. Uninstall one of the two packages")


def test_a_clash_of_two_packages_is_refused_aloud(install: Install, ask: Ask) -> None:
    install("one", "embedders", "mine = one:make")
    install("two", "embedders", "mine = two:make")
    said = ask("registry.find('recommender.embedders', 'mine')")
    assert "wants the name 'mine' in recommender.embedders" in said
    assert {"one:make", "two:make"} <= set(said.replace(",", " ").replace(".", " ").split())


def test_a_missing_foreign_package_is_an_extra_to_install(install: Install, ask: Ask) -> None:
    install("clip", "embedders", "clip = clip:make", "import torch_of_another_world.nn")
    said = ask("registry.find('recommender.embedders', 'clip')")
    assert said == (
        "MissingExtra: 'clip' needs the package 'torch_of_another_world'."
        " pip install torch_of_another_world"
    )


@pytest.mark.parametrize("ours", ["recommender.nosuch", "loaders.nosuch"])
def test_a_missing_module_of_our_own_is_a_bug_and_stays_one(
    install: Install, ask: Ask, ours: str
) -> None:
    install("mine", "loaders", f"mine = {ours}:load")
    said = ask("registry.find('recommender.loaders', 'mine')")
    assert said == f"raw: ModuleNotFoundError: No module named '{ours}'"


def test_other_errors_of_a_package_are_not_hidden(install: Install, ask: Ask) -> None:
    install("mine", "loaders", "mine = mine:load", "1 / 0")
    said = ask("registry.find('recommender.loaders', 'mine')")
    assert said == "raw: ZeroDivisionError: division by zero"


def test_a_missing_part_of_a_package_that_is_there(install: Install, ask: Ask) -> None:
    install("mine", "loaders", "mine = mine:load", "import email.nosuch")
    said = ask("registry.find('recommender.loaders', 'mine')")
    assert "email.nosuch" in said
    assert "pip install" not in said
