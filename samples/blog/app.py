"""A small blog: a folder of Markdown, and below every post what else there is to read.

    cd samples/blog
    flask recommender load ../posts --glob "*.md"
    flask run

The list below a post is rendered here, by the engine and without HTTP. Where scripts run the widget
takes it over, asks under /recommendations, and tells the catalogue what was clicked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pyromark
from flask import Flask, Response, abort, current_app, render_template, request

import loaders
from api import Recommendations
from recommender import Hit, Recommender, RecommenderError, Record

FOLDER = Path(__file__).parent.parent / "posts"
UNLIKE = 0.2
"""What scores lower has nothing to do with the post: a shorter list is a better one."""

MARKS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_YAML_STYLE_METADATA_BLOCKS
    | pyromark.Options.ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

recommendations = Recommendations()


@dataclass(frozen=True)
class Post:
    """One post; ``id`` is its file's name, as it is in the catalogue.

    ``html`` is not cleaned: Markdown may hold any HTML, and who writes the posts is trusted.
    """

    id: str
    title: str
    date: date
    tags: Sequence[str]
    html: str

    @property
    def slug(self) -> str:
        """Its address."""
        return self.id.removesuffix(".md")


def read_posts(folder: Path) -> dict[str, Post]:
    """The posts of ``folder`` by id, the latest first, read as the loader reads them: no drafts."""
    found = []
    for record in loaders.load(str(folder), loaders.Options(globs=("*.md",))):
        if isinstance(record, Record):
            id, values = str(record.values["id"]), record.values
            html = pyromark.html((folder / id).read_text("utf-8"), options=MARKS)
            day = datetime.fromtimestamp(values.get("date", 0), timezone.utc).date()
            found.append(Post(id, str(values["title"]), day, values.get("tags", ()), html))
    return {post.id: post for post in sorted(found, key=lambda post: post.date, reverse=True)}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The blog; ``config`` may name another Redis: REDIS_URL, RECOMMENDER_HOME."""
    app = Flask(__name__)
    # Events are taken from every reader, so that their clicks can be learned from.
    app.config.from_mapping({"RECOMMENDER_EVENTS": "open", **(config or {})})
    recommendations.init_app(app)
    posts = read_posts(FOLDER)

    @app.get("/")
    def home() -> str:
        words = request.args.get("q", "").strip()
        shown = found(posts, words) if words else list(posts.values())
        return render_template("home.html", posts=shown, words=words)

    @app.get("/<slug>")
    def post(slug: str) -> str:
        shown = posts.get(f"{slug}.md") or abort(404)
        return render_template("post.html", post=shown, related=related(posts, shown), least=UNLIKE)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return app


def related(posts: Mapping[str, Post], post: Post) -> list[Post]:
    """What else to read."""
    return answered(posts, lambda known: known.similar(post.id, limit=3, min_score=UNLIKE))


def found(posts: Mapping[str, Post], words: str) -> list[Post]:
    """The posts that fit the words best, by what they mean."""
    return answered(posts, lambda known: known.search(words, limit=5, min_score=UNLIKE))


def answered(posts: Mapping[str, Post], ask: Callable[[Recommender], Iterable[Hit]]) -> list[Post]:
    """The posts that the catalogue answers with; none while it is away."""
    try:
        return [posts[hit.id] for hit in ask(recommendations.catalogue("posts")) if hit.id in posts]
    except RecommenderError as error:
        current_app.logger.warning("no recommendations: %s", error)
        return []
