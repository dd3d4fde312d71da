"""Answers as JSON: compact, in the order of their members, whatever the application's own is."""

from __future__ import annotations

from typing import Any

from flask import Response
from pydantic_core import to_json

from api.measuring import note


def answer(value: Any, status: int = 200) -> Response:
    """``value`` as JSON text."""
    note(value)
    return Response(to_json(value), status=status, mimetype="application/json")
