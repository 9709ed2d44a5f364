"""Where recordings come from: one module a corpus, and how each is fetched."""
