"""`python -m deepemo` is the command `deepemo`."""

from deepemo.serving.cli import app

app(prog_name="deepemo")
