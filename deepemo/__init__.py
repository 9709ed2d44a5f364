"""DeepEmo: speech emotion recognition as a reproducible pipeline."""
