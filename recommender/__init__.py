"""Turn any catalogue into "more like this", on Redis, in minutes."""

from recommender.catalogue import Catalogue
from recommender.engine import Recommender
from recommender.errors import RecommenderError
from recommender.inference import infer
from recommender.items import Facet, Hit, Item, Record, Reject, Results
from recommender.report import Progress, Report
from recommender.settings import Settings
from recommender.store.connection import connect
from recommender.sync import sync

__all__ = [
    "Catalogue",
    "Facet",
    "Hit",
    "Item",
    "Progress",
    "Recommender",
    "RecommenderError",
    "Record",
    "Reject",
    "Report",
    "Results",
    "Settings",
    "connect",
    "infer",
    "sync",
]
