"""``flask recommender ...``: the built wheel's entry point, run by Flask's own command."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from outside import Done, Shell

from recommender.store import embedded
from recommender.store.connection import Server

POSTS = "id,title\nrye,Rye bread from scratch\nwheat,A wheat bread\nsql,Slow queries in SQL\n"
APP = """
from flask import Flask
from api import Recommendations

def create_app():
    app = Flask("blog")
    app.config.from_prefixed_env("BLOG")
    Recommendations(app)
    return app
"""
TWO = """
from pathlib import Path
from flask import Flask
from api import Recommendations
from recommender import Settings

app = Flask("two")
Recommendations(app, Settings(home=Path({here!r})), name="here", url_prefix="/here")
Recommendations(app, Settings(home=Path({there!r})), name="there", url_prefix="/there")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder where the built wheel is unpacked, with what it tells other packages."""
    pytest.importorskip("hatchling", reason="builds the wheel")
    target = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(target)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target / done.stdout.split()[-1]) as wheel:
        wheel.extractall(target)
    return str(target)


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    """The folder of an application, with posts to load."""
    (tmp_path / "posts.csv").write_text(POSTS)
    (tmp_path / "blog.py").write_text(APP)
    return Shell(home, tmp_path)


@pytest.fixture
def other_home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="rec-"))
    yield path
    embedded.stop(path)
    shutil.rmtree(path)


def flask(shell: Shell, installed: str, *args: str, **env: str) -> Done:
    """``flask ARGS...`` in the shell's folder; ``RECOMMENDER_HOME`` there leads to nothing."""
    nowhere = {"RECOMMENDER_HOME": str(shell.folder / "nowhere"), "PYTHONPATH": installed}
    done = subprocess.run(
        [sys.executable, "-m", "flask", *args],
        capture_output=True,
        text=True,
        cwd=shell.folder,
        env=shell.environment(**nowhere, **env),
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not (shell.folder / "nowhere").exists()
    return Done(done.returncode, done.stdout, done.stderr)


def test_commands_use_the_configuration_of_the_application(shell: Shell, installed: str) -> None:
    env = {"BLOG_RECOMMENDER_HOME": str(shell.home)}
    blog = ["--app", "blog", "recommender"]
    done = flask(shell, installed, *blog, "load", "posts.csv", **env)
    assert (done.code, done.out[:22]) == (0, "posts: 3 items (3 new,"), done.err
    done = flask(
        shell, installed, *blog, "similar", "posts", "rye", "--limit", "1", "--json", **env
    )
    assert [hit["id"] for hit in done.json["items"]] == ["wheat"]
    assert shell.call("catalogues", "--json").json["catalogues"][0]["name"] == "posts"
    wrong = flask(shell, installed, *blog, "similar", "posts", "gone", **env)
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.startswith("Error: there is no item 'gone'")
    dropped = flask(shell, installed, *blog, "drop", "posts", "--yes", **env)
    assert (dropped.code, dropped.out) == (0, "posts: 3 items deleted\n")


def test_help_needs_no_application(shell: Shell, installed: str) -> None:
    for args in (["--help"], ["load", "--help"]):
        done = flask(shell, installed, "recommender", *args)
        assert done.code == 0
        assert f"flask recommender {args[0]} [OPTIONS]".replace("--help ", "") in done.out
    missing = flask(shell, installed, "recommender", "catalogues")
    assert missing.code == 2
    assert "Could not locate a Flask application" in missing.err


def test_an_application_without_an_instance_has_its_configuration(
    shell: Shell, installed: str
) -> None:
    lines = ["from flask import Flask", "app = Flask('plain')"]
    lines.append(f"app.config['RECOMMENDER_HOME'] = {str(shell.home)!r}")
    (shell.folder / "plain.py").write_text("\n".join(lines))
    done = flask(shell, installed, "-A", "plain", "recommender", "load", "posts.csv", "--json")
    assert (done.code, done.json["items"]) == (0, 3)
    assert shell.call("info", "posts", "--json").json["items"] == 3


def test_several_instances_have_to_be_named(shell: Shell, installed: str, other_home: Path) -> None:
    (shell.folder / "app.py").write_text(TWO.format(here=str(shell.home), there=str(other_home)))
    asked = ["load", "posts.csv", "--json"]
    refused = flask(shell, installed, "recommender", *asked)
    assert (refused.code, refused.out) == (2, "")
    assert "has several instances: here, there" in refused.err
    unknown = flask(shell, installed, "recommender", "--instance", "her", *asked)
    assert (unknown.code, "Did you mean 'here'?" in unknown.err) == (2, True)
    loaded = flask(shell, installed, "recommender", "--instance", "there", *asked)
    assert (loaded.code, loaded.json["items"]) == (0, 3)
    for name, listed in (("here", []), ("there", ["posts"])):
        shown = flask(shell, installed, "recommender", "--instance", name, "catalogues", "--json")
        assert [one["name"] for one in shown.json["catalogues"]] == listed


def test_no_command_looks_past_its_context() -> None:
    calls = {
        (path.name, ast.unparse(node))
        for path in (ROOT / "recommender" / "cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    environment = {(name, call) for name, call in calls if call.startswith("Settings.from_env")}
    assert environment == {("context.py", "Settings.from_env()")}
    opened = {call for _, call in calls if re.match(r"(Recommender|Writer|connect)\(", call)}
    assert [call for call in opened if "settings" not in call] == []
    assert len(opened) > 3
