"""How good the predictors are, for which clips and speakers, and how reliable their confidence is."""
