"""The synthetic corpus, spoken by espeak-ng."""
