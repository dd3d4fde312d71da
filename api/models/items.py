"""What is written: items, one or many, and the form that a picture comes in.

Values are judged by the catalogue when they are converted, so that PUT, NDJSON and a load agree.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from api.models.addresses import Wishes


class WrittenItem(BaseModel):
    """An item's fields, by the catalogue's own names."""

    model_config = ConfigDict(extra="forbid")

    fields: Annotated[dict[str, Any], Field(description="Those that are null have no value")] = {}
    vectors: Annotated[
        dict[str, list[float]], Field(description="Where the catalogue's vectors are given")
    ] = {}


class OneOfMany(WrittenItem):
    """An item with its id."""

    id: str


class ManyItems(RootModel[list[OneOfMany]]):
    """Items."""


class Lines(RootModel[str]):
    """Items as JSON, one a line."""


class Upload(Wishes):
    """A form with a picture."""

    image: Annotated[
        bytes,
        Field(
            description="A picture of up to 20 MB, as a file",
            json_schema_extra={"format": "binary"},
        ),
    ]
    options: Annotated[
        str | None, Field(description="All wishes as one JSON object, in the place of the others")
    ] = None
