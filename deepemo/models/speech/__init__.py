"""A frozen speech encoder, and the heads trained on its embeddings."""
