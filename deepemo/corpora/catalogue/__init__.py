"""The corpora: a module each, whose `CORPUS` the registry finds by itself."""
