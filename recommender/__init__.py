"""Turn any catalogue into "more like this", on Redis, in minutes."""

from recommender.catalogue import Catalogue
from recommender.engine import Recommender
from recommender.errors import RecommenderError
from recommender.events import Event
from recommender.inference import infer
from recommender.items import Facet, Hit, Item, Record, Reject, Results
from recommender.report import Progress, Report
from recommender.settings import Settings
from recommender.store.connection import connect
from recommender.sync import sync
from recommender.target import Outcome
from recommender.writing import Writer

__all__ = [
    "Catalogue",
    "Event",
    "Facet",
    "Hit",
    "Item",
    "Outcome",
    "Progress",
    "Recommender",
    "RecommenderError",
    "Record",
    "Reject",
    "Report",
    "Results",
    "Settings",
    "Writer",
    "connect",
    "infer",
    "sync",
]
