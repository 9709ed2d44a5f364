"""A frozen speech encoder and the head trained on what it makes of a clip."""
