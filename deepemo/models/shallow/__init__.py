"""The shallow CNN."""
