"""Exploratory data analysis of the recordings: measurements, a recommendation, plots and a page."""
