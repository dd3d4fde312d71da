"""Measurements of speed and memory, each against a bar: ``python -m benchmarks [NAME...]``."""
