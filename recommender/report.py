"""What a load tells: while it runs (Progress) and when it is done (Report)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol


class Progress(Protocol):
    """What a load tells about itself while it runs."""

    def stage(self, name: str, done: float, total: float | None) -> None:
        """``name`` is read, embed, write or index; ``total`` None means nobody knows it yet."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know."""
        ...


class Silent:
    """A progress that nobody watches."""

    def stage(self, name: str, done: float, total: float | None) -> None:
        """Passes over it."""

    def note(self, text: str) -> None:
        """Passes over it."""


@dataclass(slots=True)
class Report:
    """What a load did, or with ``dry_run`` would do.

    ``items`` is how many the catalogue holds now; ``skipped`` were passed over because their id
    came before; ``embedded`` counts items, ``cost`` what their texts would cost (a dry run only);
    ``seconds`` are wall time.
    """

    catalogue: str
    generation: int = 1
    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0
    removed: int = 0
    embedded: int = 0
    items: int = 0
    seconds: float = 0.0
    dry_run: bool = False
    cost: dict[str, Any] | None = None

    @property
    def written(self) -> int:
        """How many items were written."""
        return self.new + self.changed

    def to_dict(self) -> dict[str, Any]:
        """The report as it goes out with ``--json``."""
        return asdict(self) | {"written": self.written}
