"""What ``import recommender`` gives, and what it does not drag in."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import recommender
from recommender import errors

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["api", "click", "flask", "gunicorn", "ijson", "loaders", "openai", "rich", "wordllama"]


def modules_after(statement: str) -> set[str]:
    """The modules of a new process that did nothing but ``statement``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_all_names_everything_public_and_nothing_else() -> None:
    public = {
        name
        for name, value in vars(recommender).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(recommender.__all__)
    assert recommender.__all__ == sorted(recommender.__all__, key=lambda n: (n.islower(), n))
    assert len(set(recommender.__all__)) == len(recommender.__all__)


@pytest.mark.parametrize("name", recommender.__all__)
def test_every_public_name_is_ours_and_documented(name: str) -> None:
    value = getattr(recommender, name)
    assert value.__module__.startswith("recommender.")
    assert inspect.getdoc(value)


def test_the_library_needs_no_web_and_no_file_formats() -> None:
    loaded = {name.partition(".")[0] for name in modules_after("import recommender")}
    assert "recommender" in loaded
    assert sorted(loaded & set(HEAVY)) == []
    assert "recommender.cli" not in modules_after("import recommender")


@pytest.mark.parametrize(
    ("module", "spared"), [("loaders", {"api", "flask", "click"}), ("api", {"loaders", "ijson"})]
)
def test_loaders_and_the_api_never_meet(module: str, spared: set[str]) -> None:
    loaded = {name.partition(".")[0] for name in modules_after(f"import {module}")}
    assert module in loaded
    assert sorted(loaded & (spared | {"openai", "wordllama"})) == []


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    parents = {0: "Exception"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│├└─ ]*)([A-Z]\w+Error|[A-Z][a-z]+[A-Z]\w+)\b", line)
        if found:
            depth = len(found[1]) // 4 + 1
            drawn[found[2]] = parents[depth - 1]
            parents[depth] = found[2]
    real = {
        name: value.__base__.__name__
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert drawn == real


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [v for v in vars(errors).values() if inspect.isclass(v) and issubclass(v, Exception)]
    assert all(issubclass(kind, errors.RecommenderError) for kind in classes)
    own = [kind.code for kind in classes if "code" in vars(kind)]
    assert len(own) == len(set(own)) == len(classes) - 4  # InvalidParameter and its own say it late
