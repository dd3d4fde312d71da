"""Answers as JSON: compact, in the order of their members, whatever the application's own is."""

from __future__ import annotations

import json
from typing import Any

from flask import Response

from api.measuring import note


def answer(value: Any, status: int = 200) -> Response:
    """``value`` as JSON text."""
    note(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status=status, mimetype="application/json")
