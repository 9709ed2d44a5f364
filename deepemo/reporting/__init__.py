"""Documents that are made from results: the model card."""
