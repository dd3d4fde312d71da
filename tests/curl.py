"""What curl would print, for machines without one: the options that our pages use."""

from __future__ import annotations

import argparse
import shlex
import sys
import urllib.error
import urllib.request
from pathlib import Path


def put_curl(folder: Path) -> None:
    """Makes the command ``curl`` in a folder."""
    command = folder / "curl"
    command.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__])} "$@"\n')
    command.chmod(0o755)


def main() -> None:
    """Asks as the arguments say, and prints what was answered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", "--data-binary")
    parser.add_argument("-F", action="append", default=[])
    given = parser.parse_args()
    body = given.data_binary and given.data_binary.encode()
    if body and body.startswith(b"@"):
        body = Path(given.data_binary[1:]).read_bytes()
    headers = dict(header.split(": ", 1) for header in given.H)
    if given.F:
        body = b"".join(map(part, given.F)) + b"--part--\r\n"
        headers["Content-Type"] = "multipart/form-data; boundary=part"
    asked = urllib.request.Request(given.url, body, headers, method=given.X)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            sys.stdout.buffer.write(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            sys.stdout.buffer.write(error.read())


def part(given: str) -> bytes:
    """One part of a form, which with @ is a file."""
    name, _, value = given.partition("=")
    is_file = value.startswith("@")
    content = Path(value[1:]).read_bytes() if is_file else value.encode()
    head = f'Content-Disposition: form-data; name="{name}"' + ('; filename="x"' if is_file else "")
    return f"--part\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


if __name__ == "__main__":
    main()
