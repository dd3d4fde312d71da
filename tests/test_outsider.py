"""A package of somebody else that brings a loader, built and installed as its users would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from outside import Shell

from recommender.store.connection import Server

PACKAGE = Path(__file__).parent / "outsider_package"
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
OFFLINE = ["--no-index", "--no-deps", "--no-build-isolation"]
LOG = """
10:00 INFO the web server started
10:01 ERROR the disk is full
10:02 WARNING the disk is nearly full
10:03 INFO a user logged in
""".lstrip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder where the package is installed."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "target"))
    shutil.copytree(PACKAGE, source, dirs_exist_ok=True)  # a build must not write into ours
    done = subprocess.run(
        [*PIP, *OFFLINE, "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(target)


@pytest.fixture
def shell(server: Server, home: Path, tmp_path: Path) -> Shell:
    """A folder with a log."""
    (tmp_path / "server.log").write_text(LOG)
    return Shell(home, tmp_path)


def test_the_suffix_finds_the_loader(shell: Shell, installed: str) -> None:
    done = shell.run("load", "server.log", "--json", PYTHONPATH=installed)
    assert (done.code, done.json["catalogue"], done.json["items"]) == (0, "server", 4)
    similar = shell.run("similar", "server", "2", "--limit", "1", "--json")  # its work is done
    assert [hit["id"] for hit in similar.json["items"]] == ["3"]


def test_the_format_names_it(shell: Shell, installed: str) -> None:
    (shell.folder / "today").write_text(LOG)
    done = shell.run("load", "today", "--format", "log", "--limit", "3", PYTHONPATH=installed)
    assert (done.code, done.out[:15]) == (0, "today: 3 items ")


def test_a_bad_line_costs_only_itself(shell: Shell, installed: str) -> None:
    (shell.folder / "server.log").write_text(LOG + "Traceback\n")
    done = shell.run("load", "server.log", "--json", PYTHONPATH=installed)
    assert (done.code, done.json["items"], done.json["rejected"]) == (3, 4, 1)
    assert "Rejected: server.log, line 5: no time, level and message" in done.err


def test_its_own_error_is_shown_as_ours_are(shell: Shell, installed: str) -> None:
    done = shell.run("load", "gone.log", PYTHONPATH=installed)
    assert (done.code, done.out) == (1, "")
    assert done.err == "Error: the log 'gone.log' is not there\n  Rotate it back\n"


@pytest.mark.parametrize("args", [["load", "server.lag"], ["load", "-", "--catalogue", "x"]])
def test_errors_name_it_among_the_formats(shell: Shell, installed: str, args: list[str]) -> None:
    (shell.folder / "server.lag").touch()
    done = shell.run(*args, PYTHONPATH=installed)
    assert done.code == 1
    assert "json, log, markdown" in done.err


def test_a_misspelt_format_is_told_its_name(shell: Shell, installed: str) -> None:
    done = shell.run("load", "server.log", "--format", "logg", PYTHONPATH=installed)
    assert (done.code, "Did you mean 'log'?" in done.err) == (1, True)


def test_where_it_is_not_installed_nothing_knows_it(shell: Shell) -> None:
    done = shell.run("load", "server.log")
    assert done.code == 1
    assert "the suffix '.log' of 'server.log' tells no format" in done.err
