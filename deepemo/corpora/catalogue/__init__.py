"""The known corpora, one module for each. The registry finds the `CORPUS` of every module."""
