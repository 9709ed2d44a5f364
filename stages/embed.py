"""Stages `embed` and `embed_<family>`: one pass of a family's frozen network over all clips.

Both are run as `python -m stages.embed <family>`.
"""

from deepemo.errors import InputError
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params
from deepemo.training.seeding import seed_everything
from stages._run import family_argument, stage_main


def main(params: Params, family: str) -> str:
    """Write the family's embeddings below data/embeddings.

    Raises:
        InputError: the family has no frozen network.
    """
    embed = load_family(family).embed
    if embed is None:
        raise InputError(f"Bad model {family!r}, expected one with a frozen network")
    seed_everything(params.seed)
    return f"embed {family}: {embed(params)}"


if __name__ == "__main__":
    stage_main(main, family_argument("embed", (name for name in family_names() if load_family(name).embed)))
