"""The catalogue file: a catalogue's fields, vectors and index, YAML in and out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recommender.errors import (
    InvalidCatalogue,
    InvalidParameter,
    UnknownField,
    brief,
    suggest,
)
from recommender.fields import FIELD_NAME
from recommender.template import Template

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
RESERVED_NAMES = frozenset({"catalogues"})
ENGINE_WORDS = frozenset({"as", "indexempty", "indexmissing", "noindex", "sortable", "unf"})
"""Words that the engine reads as its own where a field's name should stand, in any case."""
PARENT = "parent"
"""The field that holds the id of the document that a passage is of."""

PAGE_NAMES = frozenset({"", "atom", "feed", "index", "rss", "sitemap"})
"""Last parts of URLs that tell nothing."""

FieldType = Literal["text", "tag", "number", "geo", "stored"]
IndexType = Literal["flat", "hnsw"]
Metric = Literal["cosine", "ip", "l2"]
NumberType = Literal["float32", "float64", "float16", "bfloat16"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSpec(_Model):
    """One field. ``column`` is its name in the source, where that differs.

    ``separator`` parts the labels of a tag in the source's text; ``weight`` is how much a word
    found in a text field counts (more is more).
    """

    type: FieldType
    column: str | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=8)
    weight: float = Field(default=1.0, gt=0, le=1000)

    @model_validator(mode="after")
    def _options_fit_the_type(self) -> FieldSpec:
        if self.separator is not None and self.type != "tag":
            raise ValueError(f"separator is for tags, this field is of type {self.type}")
        if self.weight != 1.0 and self.type != "text":
            raise ValueError(f"weight is for text, this field is of type {self.type}")
        return self


class VectorSpec(_Model):
    """One vector: what makes it and how it is indexed.

    ``template`` is the text that the embedder gets; with ``embedder: given`` the vector itself
    stands in the source's ``column``. ``dims`` None means the model's own length.
    """

    embedder: str = "wordllama"
    template: str | None = None
    column: str | None = None
    dims: int | None = Field(default=None, ge=1, le=32768)
    index: IndexType = "hnsw"
    metric: Metric = "cosine"
    type: NumberType = "float32"

    @model_validator(mode="after")
    def _has_what_it_is_made_of(self) -> VectorSpec:
        if self.embedder == "given":
            if not self.column or self.template:
                raise ValueError("a given vector needs a column, and no template")
        elif not self.template or self.column:
            raise ValueError("an embedded vector needs a template, and no column")
        return self


class Catalogue(_Model):
    """A whole catalogue file. Field and vector names keep the order of the file.

    With ``passages`` a long document becomes several items, and a tag ``parent`` names it in each.
    ``presets`` are wishes under names (see :mod:`recommender.presets`).
    """

    name: str
    id: str = "id"
    passages: bool = False
    fields: dict[str, FieldSpec] = Field(default_factory=dict)
    vectors: dict[str, VectorSpec] = Field(min_length=1)
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _passages_name_their_document(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("passages") is not True:
            return data
        fields = data.get("fields") or {}
        if not isinstance(fields, Mapping):
            return data
        return {**data, "fields": {PARENT: {"type": "tag"}, **fields}}

    @model_validator(mode="after")
    def _names_fit_together(self) -> Catalogue:
        try:
            check_name(self.name)
        except InvalidParameter as error:
            raise ValueError(str(error)) from error
        for name in [*self.fields, *self.vectors]:
            if not is_field_name(name):
                raise ValueError(
                    f"{name!r} cannot be a field's name: letters, digits and _, a letter first,"
                    f" and no word of the engine ({', '.join(sorted(ENGINE_WORDS))});"
                    " give the source's own name as column: ..."
                )
        if self.passages and self.fields[PARENT].type != "tag":
            raise ValueError(f"with passages the field {PARENT!r} is a tag, their document's id")
        for name in self.vectors:
            if vector_field(name) in self.fields:
                raise ValueError(f"the field {vector_field(name)} clashes with the vector {name!r}")
        return self

    @model_validator(mode="after")
    def _templates_name_fields(self) -> Catalogue:
        for vector in self.vectors.values():
            if vector.template is None:
                continue
            template = Template(vector.template)
            if not template.fields:
                raise ValueError(
                    f"the template {vector.template!r} names no field, so all items would be alike."
                    " Write {title}, for example"
                )
            for field in template.fields:
                if field not in self.fields:
                    raise ValueError(
                        f"the template names {{{field}}}, which is no field."
                        f" {suggest(field, self.fields, 'fields')}"
                    )
        return self

    @classmethod
    def from_yaml(
        cls, text: str, *, name: str | None = None, default_name: str | None = None
    ) -> Catalogue:
        """A catalogue from a file's text; ``name`` goes before the file's own name.

        ``default_name`` is for a file that has none.
        Raises InvalidCatalogue with every problem found and where it stands.
        """
        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InvalidCatalogue(f"the catalogue file is not YAML: {error}") from error
        if not isinstance(data, dict):
            raise InvalidCatalogue(
                "the catalogue file holds no settings",
                remedy="'recommender infer FILE' prints one to start from",
            )
        named = {"name": name or data.get("name") or default_name}
        if not named["name"]:
            raise InvalidCatalogue("the catalogue has no name", remedy="Name it: --catalogue NAME")
        return cls.from_dict(data | named)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Catalogue:
        """The same from plain values. Raises InvalidCatalogue."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidCatalogue(_explain(error)) from error

    def to_yaml(self) -> str:
        """The file's text: fields on one line each, vectors with every setting."""
        data: dict[str, Any] = {"name": self.name, "id": self.id}
        if self.passages:
            data["passages"] = True
        if self.fields:
            data["fields"] = {
                name: _Line({"type": field.type} | field.model_dump(exclude_defaults=True))
                for name, field in self.fields.items()
            }
        data["vectors"] = {
            name: vector.model_dump(exclude_none=True) for name, vector in self.vectors.items()
        }
        if self.presets:
            data["presets"] = {name: _Line(wishes) for name, wishes in self.presets.items()}
        return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

    def with_presets(self, presets: Mapping[str, Mapping[str, Any]]) -> Catalogue:
        """The same catalogue with these presets, and no others."""
        return self.model_copy(update={"presets": dict(presets)})

    def column(self, name: str) -> str:
        """The source's own name for the field ``name``."""
        column = self.fields[name].column
        return name if column is None else column

    def vector(self, name: str | None) -> str:
        """``name`` checked, or the first vector for None. Raises InvalidParameter ("using")."""
        if name is None:
            return next(iter(self.vectors))
        if not isinstance(name, str) or name not in self.vectors:
            raise InvalidParameter(
                "using",
                f"there is no vector {brief(name)} in {self.name!r}",
                remedy=suggest(str(name), self.vectors, "vectors"),
            )
        return name

    def check_fields(self, names: list[str] | tuple[str, ...], parameter: str) -> list[str]:
        """``names`` as a list. Raises UnknownField with the closest name."""
        for name in names:
            if name not in self.fields:
                raise UnknownField(parameter, name, self.fields)
        return list(names)

    def fields_digest(self) -> bytes:
        """16 bytes that change when the same record would be stored differently."""
        settings = repr((self.id, sorted(self.fields.items()), sorted(self.vectors.items())))
        return blake2b(settings.encode(), digest_size=16).digest()


def check_name(name: str) -> str:
    """A catalogue's name, fit for keys and addresses. Raises InvalidParameter ("catalogue")."""
    if not NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise InvalidParameter(
            "catalogue",
            f"{name!r} cannot be a catalogue's name",
            remedy="Use up to 64 letters, digits, - and _, a letter or digit first"
            " ('catalogues' is taken)",
        )
    return name


def vector_field(vector: str) -> str:
    """The name of the hash field that holds the vector called ``vector``."""
    return f"{vector}_vector"


def is_field_name(name: str) -> bool:
    """Whether a field can be called so, in templates, in queries and in the index."""
    return bool(FIELD_NAME.fullmatch(name)) and name.lower() not in ENGINE_WORDS


def name_from(source: str) -> str:
    """A catalogue's name from a source: ``My posts.csv.gz`` becomes ``My-posts``.

    Where a URL ends in a word that half of the web ends in, its host names the catalogue.
    """
    source = re.sub("://.*@", "://", source)  # a database's password
    path = re.split("[?#]", source)[0] if "://" in source else source
    host, _, page = path.partition("://")[2].partition("/")
    if host and page.rpartition("/")[2].partition(".")[0].lower() in PAGE_NAMES:
        path = host.removeprefix("www.")
    stem = path.replace("\\", "/").rstrip("/").rpartition("/")[2].lstrip(".").partition(".")[0]
    stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:64]
    if not name or name in RESERVED_NAMES:
        raise InvalidParameter(
            "catalogue",
            f"no catalogue's name can be made from the source {source!r}",
            remedy="Name it: --catalogue NAME",
        )
    return name


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        cause = problem.get("ctx", {}).get("error")
        text = str(cause) if cause is not None else problem["msg"]
        place = ".".join(str(part) for part in problem["loc"])
        if problem["loc"] and problem["loc"][-1] == "[key]":
            place = ".".join(str(part) for part in problem["loc"][:-2])
            text = f"the name {problem['input']!r} is not text: put it in quotes"
        elif problem["type"] == "extra_forbidden":
            text = f"there is no setting {problem['loc'][-1]!r}"
        elif problem["type"] in ("literal_error", "enum"):
            text = f"{problem['input']!r} is not one of {problem['ctx']['expected']}"
        lines.append(f"{place}: {text}" if place else text)
    return "the catalogue file is not right: " + "; ".join(lines)


class _Line(dict[str, Any]):
    """A mapping that is written on one line of YAML."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Line,
    lambda dumper, data: dumper.represent_mapping(
        "tag:yaml.org,2002:map", data.items(), flow_style=True
    ),
)
