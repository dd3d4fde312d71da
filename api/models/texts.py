"""How an address writes what is no text: numbers, true and false, lists of names."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BeforeValidator

WHOLE = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"-?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?")
FLAGS = {"true": True, "1": True, "false": False, "0": False}


def whole(text: str) -> Any:
    """A whole number; what is none stays the text that it is, for the model to refuse."""
    return int(text) if WHOLE.fullmatch(text) else text


def number(text: str) -> Any:
    """A number, as JSON writes it or nearly so."""
    return float(text) if NUMBER.fullmatch(text) else text


def flag(text: str) -> Any:
    """True or False."""
    return FLAGS.get(text.lower(), text)


def number_or_flag(text: str) -> Any:
    """A number, ``true`` or ``false``; 1 and 0 are numbers here."""
    value = number(text)
    return flag(text) if value is text else value


def names(texts: list[str]) -> list[str]:
    """Names, written ``a,b`` or given one by one."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


AsWhole = BeforeValidator(whole)
AsNumber = BeforeValidator(number)
AsFlag = BeforeValidator(flag)
AsNumberOrFlag = BeforeValidator(number_or_flag)
AsNames = BeforeValidator(names)
