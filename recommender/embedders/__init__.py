"""Texts to vectors: one file an embedder."""
