"""Every code block of the README and of docs/ is run, and prints what the page says it prints.

In a console block a line of dots stands for any lines; figures that change from run to run (times)
are compared as such.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import Visiting
from conftest import ROOT
from curl import put_curl
from openai_server import OpenAIServer
from outside import plain

from loaders import Options
from recommender import Catalogue, Record, Reject
from recommender.errors import SourceError
from recommender.store import embedded

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHANGING = re.compile(r"(in |took_ms\":)[\d.]+( m?s)?")
SCORE = re.compile(r"^(\s*-?\d\.\d)\d\d(?=\s)", re.MULTILINE)  # in a table: its first digit
TOKENS = re.compile(r"(about )?[\d,]+ tokens")  # counted where the vocabulary is, else estimated
PORTS = ("8000", "8080")
"""What the pages call the ports of the API and of their own web server."""
STARTED = ("Serving on", "Watching for", "Press CTRL+C")
"""The last line of what then goes on until Ctrl-C."""
GOES_ON = re.compile(r"(\w+=\S+ )*(recommender (serve|load .*--watch)|flask .*run\b)")
FILE = re.compile(r"(?:#|<!--) ([\w./-]+\.\w+)(?: -->)?\n")
"""The first line of a block that the reader is to save under this name."""
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
MADE = {
    "docs/tutorial-blog.md": (
        "sourdough-starter.html", "More like this",
        "Rye bread like my grandmother's", "/rye-bread.html",
    ),
    "docs/tutorial-shop.md": (
        "drizzle-blue.html", "Similar products",
        "Downpour rain jacket", "/downpour-black.html",
    ),
}  # fmt: skip
"""What a browser shows of the page that a reader of a tutorial makes: where, and the first hit."""
LINKS = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Shell:
    """A person's terminal: a fresh home, the project's folder, one server at a time.

    What a page starts in the background goes on until the page ends; so does a server that speaks
    like Ollama.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.model = OpenAIServer()
        self.ports = _free_ports() | {"11434": self.model.host.rpartition(":")[2]}
        self.port = self.ports["8000"]
        self.server: subprocess.Popen[str] | None = None
        self.background: list[subprocess.Popen[bytes]] = []
        scripts = Path(sys.executable).parent
        if not shutil.which("curl"):
            put_curl(home)
        kept = {name: os.environ[name] for name in ("LANG", "CI") if name in os.environ}
        self.env = kept | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}{os.pathsep}{home}",
            "HOME": str(home),
            "RECOMMENDER_HOME": str(home),
            "COLUMNS": "100",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, command: str) -> str:
        """What the command prints, stdout and stderr as they come."""
        command = self.here(command)
        if command.endswith(" &"):
            return self.start(command[:-2])
        if command == "make run":
            venv = Path(sys.executable).parent.parent
            # The environment is installed already: what is tested here is what comes after.
            return self.serve(f"make run PORT={self.port} VENV={venv} -o {venv}/installed")
        if GOES_ON.match(command):
            return self.serve(command)
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.env, text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=None if ">" in command else subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def serve(self, command: str) -> str:
        """Starts what goes on until Ctrl-C, and returns what it printed until it serves."""
        self.stop()
        self.server = subprocess.Popen(
            command, shell=True, cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert self.server.stdout is not None
        lines = []
        silent = threading.Timer(120, os.killpg, (self.server.pid, signal.SIGKILL))
        silent.start()
        for line in map(plain, self.server.stdout):
            lines.append(line)
            if line.startswith(STARTED):
                break
        else:
            pytest.fail(f"{command} ended: {''.join(lines)}")
        silent.cancel()
        if "Serving" in lines[-1]:
            _wait_for(f"http://127.0.0.1:{self.port}/healthz")
        return "".join(lines)

    def start(self, command: str) -> str:
        """Starts a web server in the background."""
        process = subprocess.Popen(
            f"exec {command}", shell=True, cwd=self.folder, env=self.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.background.append(process)
        _wait_for(f"http://127.0.0.1:{self.ports['8080']}/")
        return ""

    def save(self, name: str, text: str) -> None:
        """Saves a block as a file, as its reader would with an editor."""
        path = self.folder / name
        assert not path.exists(), f"{name} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text), encoding="utf-8")

    def here(self, text: str) -> str:
        """The text of a page with the addresses of this run."""
        for port, free in self.ports.items():
            text = text.replace(port, free)
        return text

    def stop(self) -> None:
        """Ctrl-C for the server."""
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGINT)
            self.server.communicate(timeout=30)
            self.server = None


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    home = Path(tempfile.mkdtemp(prefix="doc-"))
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (tmp_path / path.name).symlink_to(path)
    terminal = Shell(tmp_path, home)
    with terminal.model:
        yield terminal
    terminal.stop()
    for process in terminal.background:
        process.terminate()
        process.wait(timeout=30)
    embedded.stop(home)
    shutil.rmtree(home)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_does_what_the_page_says(
    page: str, shell: Shell, request: pytest.FixtureRequest
) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert text.count("```") == 2 * len(blocks), "a block has no language"
    if "$ make run" not in text and "$ " in text and "tutorial" not in page:
        shell.run("recommender load samples/movies.csv")
        shell.serve(f"recommender serve --port {shell.port}")
    for language, body in blocks:
        _follow(shell, language, body)
    if page in MADE:
        _look(shell, request.getfixturevalue("visit"), *MADE[page])


def test_the_loader_that_contributing_shows_reads_as_ours_do(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [shown] = [body for _, body in BLOCK.findall(text) if "def load(" in body]
    names: dict[str, Any] = {}
    exec(shown, names)  # it is our own page
    (tmp_path / "server.log").write_text("up\n\ndown\n")
    first, second, third = names["load"](str(tmp_path / "server.log"), Options())
    assert first == Record("server.log, line 1", {"id": "1", "text": "up"})
    assert second == Reject("server.log, line 2", "the line is empty")
    assert third.values["id"] == "3"
    with pytest.raises(SourceError, match="there is no file"):
        list(names["load"]("gone.log", Options()))


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target, part in LINKS.findall((ROOT / page).read_text(encoding="utf-8")):
        if "://" not in target:
            found = (ROOT / page).parent / target if target else ROOT / page
            assert found.exists(), target
            if part:
                headings = HEADING.findall(found.read_text(encoding="utf-8"))
                assert part in map(_anchor, headings), f"{target}#{part}"


def _anchor(heading: str) -> str:
    """The name that a heading has in addresses."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _follow(shell: Shell, language: str, body: str) -> None:
    """Does what a reader does with a block: saves it, types it, runs it."""
    named = FILE.match(body)
    if named:
        shell.save(named[1], body)
    if language == "console":
        for command, expected in _commands(body):
            _compare(command, shell.run(command), shell.here(expected))
    elif language == "yaml":
        catalogue = Catalogue.from_yaml(body)
        assert Catalogue.from_yaml(catalogue.to_yaml()) == catalogue
    elif language == "python" and not named:
        shell.run(f"{shlex.quote(sys.executable)} -W error -c {shlex.quote(body)}")
    elif not named:
        pytest.fail(f"nobody runs a block in {language}")


def _look(shell: Shell, visit: Visiting, path: str, heading: str, first: str, link: str) -> None:
    """Opens the page that the reader has made."""
    visited = visit(shell.here(f"http://127.0.0.1:8080/{path}"))
    visited.page.get_by_role("heading", name=heading).wait_for()
    related = visited.page.locator("more-like-this").first.locator("li a")
    assert first in related.first.inner_text()
    assert related.first.get_attribute("href") == link
    fallback = visited.page.get_by_text(re.compile("^All "))
    assert (fallback.count(), fallback.is_visible()) == (1, False)
    assert visited.accessibility() == []


def _commands(body: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _compare(command: str, printed: str, expected: str) -> None:
    pattern = ""
    for line in expected.splitlines():
        words = line.split()
        if words and words[-1] == "...":
            pattern += r"\s*" + _as_pattern(words[:-1]) + r"[\s\S]*?"
        elif words:
            pattern += r"\s*" + _as_pattern(words) + r"\s*?(?:\n|$)"
    assert re.fullmatch(pattern + r"\s*", _steady(printed)), (
        f"$ {command}\nprinted\n{printed}\nbut the page says\n{expected}"
    )


def _as_pattern(words: list[str]) -> str:
    return r"[ \t]+".join(re.escape(word) for word in _steady(" ".join(words)).split())


def _steady(text: str) -> str:
    text = SCORE.sub(r"\1", text)
    text = re.sub(
        r"(\"(?:score|relevance)\":0\.\d{3})\d*", r"\1", text
    )  # another processor, another last digit
    return re.sub("─+", "─", TOKENS.sub("# tokens", CHANGING.sub(r"\1#", text)))


def _free_ports() -> dict[str, str]:
    """A free port for each that the pages name."""
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in PORTS]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return {port: str(each.getsockname()[1]) for port, each in zip(PORTS, found, strict=True)}


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=30).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"nothing answers at {url}")
