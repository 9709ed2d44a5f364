"""Reports on a run: the model card."""
