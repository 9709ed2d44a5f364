"""Exploration of the recordings: measurements, pictures and the page."""
