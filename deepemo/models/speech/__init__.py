"""Frozen speech encoders, and the heads trained on their embeddings."""
