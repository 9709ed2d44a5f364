"""How recordings come to lie in data/raw: fetched, or taken from a folder."""
