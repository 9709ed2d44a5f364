"""The embedded default corpus, spoken by a program."""
