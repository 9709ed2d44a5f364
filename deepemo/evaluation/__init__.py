"""Figures: how good the predictors are, on whom, and how sure."""
