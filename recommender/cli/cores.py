"""How many processors this process may use, also in a container."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

QUOTAS = ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
"""Where Linux says how much processor time a group may take: version 2 of its groups, and 1."""

PERIOD = "/sys/fs/cgroup/cpu/cpu.cfs_period_us"


def usable() -> int:
    """Processors, at least 1: those of the machine, of the process, of its container."""
    known = getattr(os, "sched_getaffinity", None)
    count = len(known(0)) if known else os.cpu_count() or 1
    quota = _quota()
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _quota() -> float | None:
    """How many processors' time the container may take; None for as much as there is."""
    for path in QUOTAS:
        with suppress(OSError, ValueError):
            first, *rest = Path(path).read_text().split()
            if first in ("max", "-1"):
                return None
            return int(first) / int(rest[0] if rest else Path(PERIOD).read_text())
    return None
