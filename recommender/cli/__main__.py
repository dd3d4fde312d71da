"""``python -m recommender.cli``: the command where its script is not on the path."""

from recommender.cli.main import main

main(prog_name="recommender")
