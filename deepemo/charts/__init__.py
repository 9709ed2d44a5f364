"""Charts of validation and evaluation, drawn with matplotlib in one style."""
