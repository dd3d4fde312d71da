"""What goes in and what comes out over HTTP, as pydantic models: they check requests, and their
JSON schemas are the description of the API."""  # noqa: D205, D209 (one sentence)
