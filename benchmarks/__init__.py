"""Measure speed, size and growth: each module runs as `python -m benchmarks.<name>` and writes its part of docs/.

`featurizing`, `transfer`, `memory`, `serving`, `live`, `parts`, `scale`, `growth`, `variants`, `speech_port` and
`damaged_recordings` write a section of docs/benchmarks.md each. `ablations` lists the experiments of
docs/ablations.yaml, records those that were run, and writes docs/results.md. `spread` trains with several seeds and
writes docs/spread.md. None of them is a test.
"""
