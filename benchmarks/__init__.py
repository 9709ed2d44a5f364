"""How fast and how large: each module is run as `python -m benchmarks.<name>` and writes its part of docs/.

`featurizing`, `transfer`, `memory`, `serving`, `live`, `parts` and `scale` measure and write a section of
docs/benchmarks.md;
`ablations` lists the experiments of docs/ablations.yaml, notes those that were run and writes docs/results.md; `spread`
trains with several seeds and writes docs/spread.md. None of them is a test.
"""
