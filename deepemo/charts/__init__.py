"""Figures drawn with matplotlib, one style for all."""
