"""Acquiring a corpus: from its publisher, from a folder, or generated. `acquire` is where to begin."""
