"""compose.yaml against the compose specification; it and the Dockerfile against our own rules."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from recommender import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return content


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return content


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def instructions(name: str) -> list[str]:
    """The values of the Dockerfile's instructions of that name, continuation lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", text, flags=re.MULTILINE)


def copied() -> set[str]:
    """What the Dockerfile copies from the repository, not from one of its own stages."""
    words = [copy.split() for copy in instructions("COPY") if not copy.startswith("--from=")]
    return {source for copy in words for source in copy[:-1]}


def test_compose_follows_the_specification() -> None:
    result = validate(COMPOSE)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("depends_on:", "depend_on:"),  # a name that the specification does not know
        ("read_only: true", "read_only: [true]"),  # a value of the wrong type
        ("condition: service_healthy", "condition: healthy"),  # not one of the choices
    ],
)
def test_a_broken_compose_file_is_refused(tmp_path: Path, good: str, bad: str) -> None:
    text = COMPOSE.read_text()
    assert good in text
    broken = tmp_path / "compose.yaml"
    broken.write_text(text.replace(good, bad))
    result = validate(broken)
    assert result.returncode == 1
    assert "Schema validation errors were encountered" in result.stdout


def test_no_obsolete_version(compose: dict[str, Any]) -> None:
    assert "version" not in compose


def test_redis_has_the_query_engine_and_keeps_its_data(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]
    assert redis["image"] == "redis:8"
    assert " ".join(redis["command"]).endswith("--appendonly yes")
    assert redis["healthcheck"]["test"][:2] == ["CMD", "redis-cli"]
    volumes = dict(volume.split(":") for volume in redis["volumes"])
    assert list(volumes.values()) == ["/data"]
    assert volumes.keys() <= compose["volumes"].keys()  # named, so it outlives the container


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert ports == {"redis": [], "api": ["127.0.0.1:8000:8000"]}


def test_the_api_waits_for_a_healthy_redis(compose: dict[str, Any]) -> None:
    api = compose["services"]["api"]
    assert api["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert urlsplit(api["environment"]["REDIS_URL"]).hostname == "redis"


def test_every_variable_is_one_that_the_product_reads(compose: dict[str, Any]) -> None:
    class Asked(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            self[name] = default
            return default

    asked = Asked()
    Settings.from_env(asked)
    # Where its files are is the image's to say; the figures of all workers are the server's own.
    own = {"RECOMMENDER_HOME", "PROMETHEUS_MULTIPROC_DIR"}
    assert compose["services"]["api"]["environment"].keys() == asked.keys() - own
    environment = dict(re.findall(r"(\w+)=(\S+)", " ".join(instructions("ENV"))))
    assert environment.keys() - {"PATH"} == {"RECOMMENDER_HOME"} <= asked.keys()
    # The one writable directory is a volume of its own.
    assert f"home:{environment['RECOMMENDER_HOME']}" in compose["services"]["api"]["volumes"]


@pytest.mark.parametrize("name", ["redis", "api"])
def test_a_service_has_no_more_rights_than_it_needs(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["restart"] == "unless-stopped"


def test_the_sample_is_there_to_load(compose: dict[str, Any]) -> None:
    assert "./samples:/samples:ro" in compose["services"]["api"]["volumes"]
    assert (ROOT / "samples" / "movies.csv").is_file()


@contextmanager
def server(status: int) -> Iterator[int]:
    """A server that answers /healthz with ``status``; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield httpd.server_port
        finally:
            httpd.shutdown()
            thread.join()


def is_healthy(compose: Mapping[str, Any], port: int) -> bool:
    """What the api's healthcheck says, run here and pointed at ``port``."""
    kind, program, *arguments = compose["services"]["api"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    assert ":8000/" in arguments[-1]
    arguments[-1] = arguments[-1].replace(":8000/", f":{port}/")
    # A proxy set for all containers must not be asked for this one's own port.
    environment = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, *arguments]
    return (
        subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    )


def test_the_healthcheck_tells_well_from_ill(compose: dict[str, Any]) -> None:
    with server(200) as port:
        assert is_healthy(compose, port)
    assert not is_healthy(compose, port)  # nobody listens there any more
    with server(503) as port:
        assert not is_healthy(compose, port)


def test_what_the_dockerfile_copies_exists() -> None:
    missing = [name for name in sorted(copied()) if not (ROOT / name).exists()]
    assert not missing


def test_the_dockerfile_copies_what_the_build_needs(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {"pyproject.toml", project["readme"], *project["license-files"], *packages}
    assert copied() == needed | {"constraints.txt"}


def test_dockerignore_allows_what_is_copied_and_no_more() -> None:
    text = (ROOT / ".dockerignore").read_text()
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == copied()
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_runs_the_console_script(pyproject: dict[str, Any]) -> None:
    (command,) = instructions("CMD")
    program, *arguments = json.loads(command)
    assert program in pyproject["project"]["scripts"]
    assert arguments[0] == "serve"
    assert [arguments[arguments.index("--port") + 1]] == instructions("EXPOSE") == ["8000"]


def test_the_image_runs_as_an_ordinary_user() -> None:
    (user,) = instructions("USER")
    assert int(user) > 0  # a number, so that who runs the image can see that it is not root
    assert f"--uid {user}" in " ".join(instructions("RUN"))
    # The server's address is for whoever runs the image to say.
    assert "REDIS_URL" not in " ".join(instructions("ENV"))
