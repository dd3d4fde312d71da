"""Front matter: what stands before a document between ``---`` (YAML) or ``+++`` (TOML)."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml

from loaders.base import plain
from loaders.documents import Cells, Unfit, seconds_of
from recommender.fields import as_text, is_missing
from recommender.items import MAX_DEPTH

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_FRONT = 100_000
"""Longest front matter, in characters."""
MAX_ALIASES = 10
"""Most YAML aliases (``*name``): a few dozen can make billions of values."""
NESTING = "[{-?:"
"""The signs of YAML's levels: where there are few of them, so are the levels."""

OPENING = re.compile(r"(---|\+\+\+)[ \t]*\n")
CLOSING = {
    "---": re.compile(r"\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)"),
    "+++": re.compile(r"\n\+\+\+[ \t]*(?:\n|\Z)"),
}
DOTTED = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]+\s*\.\s*){{{MAX_DEPTH}}}")
LINE = re.compile(r"\s*\(at line (\d+)[^)]*\)")

MEANT = ("body", "date", "draft", "id", "published", "title")
LABELS = ("tags", "categories", "category", "tag", "keywords")
DATES = (
    *("created", "date", "expirydate", "last_modified_at", "lastmod", "modified"),
    *("pubdate", "publishdate", "published", "updated"),
)


def split(text: str) -> tuple[Cells, str]:
    """The front matter of ``text`` as cells, and the text after it.

    Dates become seconds since 1970, tags and categories lists of labels. A ``---`` that nothing
    closes, or that has only prose after it, is a rule drawn across the page, and there is no front
    matter. Raises Unfit, with the line, for one that is broken.
    """
    opening = OPENING.match(text)
    closing = CLOSING[opening[1]].search(text, opening.end() - 1) if opening else None
    if not opening or not closing:
        return {}, text
    source = text[opening.end() : closing.start() + 1]
    if len(source) > MAX_FRONT:
        raise Unfit(f"its front matter has {len(source):,} characters, the limit is {MAX_FRONT:,}")
    front = _parsed(opening[1], source)
    if isinstance(front, str):
        return {}, text
    if not isinstance(front, dict):
        raise Unfit("its front matter is no names with values", line=2)
    cells = {_name(name, front): _cell(name, value) for name, value in front.items()}
    return cells, text[closing.end() :]


def take_draft(front: Cells) -> bool:
    """Take ``draft`` and ``published``, unless it is a date, out: whether this is a draft."""
    is_draft = str(front.pop("draft", None)).lower() == "true"
    published = str(front.get("published")).lower()
    if published in ("true", "false"):
        del front["published"]
    return is_draft or published == "false"


def _parsed(mark: str, source: str) -> Any:
    """What the front matter says, as what JSON knows."""
    try:
        value = _yaml(source) if mark == "---" else _toml(source)
        return plain({} if value is None else value)
    except yaml.MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        line = found.line + 2 if found else None
        raise Unfit(f"broken front matter: {error.problem or error.context}", line=line) from error
    except tomllib.TOMLDecodeError as error:
        at = LINE.search(str(error))
        reason = LINE.sub("", str(error))
        raise Unfit(
            f"broken front matter: {reason}", line=int(at[1]) + 1 if at else None
        ) from error
    except RecursionError as error:
        raise Unfit("its front matter nests too deeply") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Unfit(f"broken front matter: {str(error).splitlines()[0]}") from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's types, but what only looks like a date or a number is the text that it is."""

    def construct_lenient(self, node: yaml.ScalarNode) -> Any:
        try:
            return yaml.SafeLoader.yaml_constructors[node.tag](self, node)
        except (ValueError, OverflowError):
            return node.value


for kind in ("timestamp", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{kind}", _Loader.construct_lenient)


def _yaml(source: str) -> Any:
    if "*" in source or sum(map(source.count, NESTING)) > MAX_DEPTH:
        _check(source)
    loader = _Loader(source)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if isinstance(node, yaml.MappingNode):
            _keep_title(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _toml(source: str) -> Any:
    if DOTTED.search(source):  # the time that a.a.a takes grows with its square
        raise Unfit(f"its front matter nests more than {MAX_DEPTH} levels deep")
    return tomllib.loads(source)


def _check(source: str) -> None:
    """Refuse what would blow up: the C library's recursion has no other limit than the stack."""
    depth = aliases = 0
    for event in yaml.parse(source, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise Unfit(f"its front matter nests more than {MAX_DEPTH} levels deep")
        if aliases > MAX_ALIASES:
            raise Unfit(f"its front matter has more than {MAX_ALIASES} aliases (*name)")


def _keep_title(node: yaml.MappingNode) -> None:
    """Keep the title as it is written: ``title: no`` is not false, ``title: 1_000`` no number."""
    for name, value in node.value:
        if str(name.value).lower() == "title" and value.tag.endswith(
            (":bool", ":int", ":float", ":timestamp")
        ):
            value.tag = "tag:yaml.org,2002:str"


def _name(name: str, front: Cells) -> str:
    """The key as it is written, but for those that have a meaning here."""
    kind = name.lower()
    return kind if kind in MEANT and kind not in front else name


def _cell(name: str, value: Any) -> Any:
    kind = name.lower()
    if kind in LABELS:
        return _labels(value)
    if kind in DATES and isinstance(value, str):
        seconds = seconds_of(value)
        return value if seconds is None else seconds
    if kind == "title" and value is not None:
        return " ".join(as_text(value).split())
    return value


def _labels(value: Any) -> Any:
    """``a, b`` or a list as a list of texts, each once; anything else as it is."""
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, list) else [parts]
    if any(isinstance(part, (dict, list)) for part in parts):
        return value
    labels = [as_text(part).strip() for part in parts if not is_missing(part)]
    return list(dict.fromkeys(labels))
