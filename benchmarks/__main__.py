"""Prints one JSON line a measurement; exits with 1 if a bar is missed.

``python -m benchmarks`` runs all, ``python -m benchmarks load http`` those named.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from benchmarks import folder, http, load, recall, related, relevance, serve, similar, sync
from benchmarks.common import Measurement, missing_data

BENCHES: dict[str, Callable[[], Iterator[Measurement]]] = {
    "load": load.run,
    "sync": sync.run,
    "folder": folder.run,
    "similar": similar.run,
    "recall": recall.run,
    "related": related.run,
    "relevance": relevance.run,
    "http": http.run,
    "serve": serve.run,
}


def main(names: Sequence[str]) -> int:
    """Runs the benches called ``names``, all without any; the process's exit code."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"There is no bench {unknown[0]!r}, only {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    for problem in missing_data():
        print(problem, flush=True)
    missed = False
    for name in names or BENCHES:
        for measurement in BENCHES[name]():
            print(measurement.line(), flush=True)
            missed |= measurement.ok is False
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
