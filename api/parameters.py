"""What a request asks for, read by its model; every fault has the parameter's own code."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

from flask import request
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from werkzeug.datastructures import MultiDict

from api.bodies import MAX_QUESTION, read_object
from api.models.addresses import Address
from api.models.bodies import Question
from api.models.wishes import Wanted
from recommender.errors import InvalidParameter, brief, suggest

A = TypeVar("A", bound=Address)
Q = TypeVar("Q", bound=Question)


def address(model: type[A]) -> A:
    """The parameters of the request's address. Raises InvalidParameter."""
    return texts(request.args, model)


def texts(sent: MultiDict[str, str], model: type[A]) -> A:
    """The parameters that were sent as texts. Raises InvalidParameter."""
    given: dict[str, Any] = {}
    for name, values in sent.lists():
        if name in model.lists:
            given[name] = values
        elif len(values) == 1:
            given[name] = values[0]
        else:
            _check_name(name, model)
            raise InvalidParameter(
                name[:60], f"the parameter {name[:60]!r} is given more than once"
            )
    try:
        return model.model_validate(given)
    except ValidationError as error:
        for name in given:  # a misspelt one may be why another one is missing
            _check_name(name, model)
        raise _fault(error, given, model) from error


def check_none() -> None:
    """Raises InvalidParameter for a parameter in the address of a call that takes none."""
    if request.args:
        address(Address)


def body(model: type[Q]) -> Q:
    """The members of the request's JSON body, which has no parameters in its address.

    Raises InvalidParameter, 413 and 415.
    """
    check_none()
    return members(read_object(MAX_QUESTION), model)


def members(given: dict[str, Any], model: type[Q]) -> Q:
    """The members of an object. Raises InvalidParameter."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _fault(error, given, model) from error


def check_encoding() -> None:
    """Raises InvalidParameter for an address that is not UTF-8.

    Flask reads what is none as U+FFFD: no harm to a question, but an id to be written would be
    another one.
    """
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        raise InvalidParameter(
            "parameter", "the address is not UTF-8", remedy="Quote its bytes, as %C3%BC for ü"
        ) from error


def _check_name(name: str, model: type[Address]) -> None:
    """Raises InvalidParameter for a parameter that the call does not take: a misspelt filter must
    not pass for no filter."""  # noqa: D205, D209 (one sentence)
    if name not in (known := _fields(model)):
        raise InvalidParameter(
            "parameter",
            f"there is no parameter {name[:60]!r} here",
            remedy=suggest(name[:60], known, "parameters"),
        )


def _fault(
    error: ValidationError, given: dict[str, Any], model: type[Question]
) -> InvalidParameter:
    """What is wrong with the first member that is wrong."""
    known = _fields(model)
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        return InvalidParameter("body", f"the name {brief(first['input'])} is not Unicode text")
    name = str(first["loc"][0])
    if name not in known:
        return InvalidParameter(
            name[:60],
            f"there is no member {name[:60]!r} here",
            remedy=suggest(name[:60], known, "members"),
        )
    if name not in given:
        what, how = ("parameter", f"{name}=...") if issubclass(model, Address) else ("member", name)
        return InvalidParameter(name, f"the {what} {name!r} is missing", remedy=f"Add {how}")
    value = first["input"] if len(first["loc"]) == 1 else given[name]
    return InvalidParameter(
        name, f"{name} is {brief(value)}", remedy=_remedy(name, value, known[name])
    )


def _fields(model: type[Question]) -> dict[str, FieldInfo]:
    """The members by the names that requests use."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _remedy(name: str, value: Any, field: FieldInfo) -> str:
    """What the value should be."""
    said = [each.text for each in field.metadata if isinstance(each, Wanted)]
    if said:
        return f"It is {said[0]}"
    least = [each.ge for each in field.metadata if hasattr(each, "ge")]
    most = [each.le for each in field.metadata if hasattr(each, "le")]
    if least and most:
        return f"It is a whole number from {least[0]} to {most[0]:,}"
    if field.annotation is bool:
        return "It is true or false"
    choices = _choices(field)
    return suggest(str(value)[:40], choices, f"values of {name}") if choices else "It is a text"


def _choices(field: FieldInfo) -> list[str]:
    """The words that a member takes, where it takes nothing else."""
    parts = [field.annotation, *get_args(field.annotation)]
    return [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
