"""Stages `embed_<family>_views`, run as `python -m stages.embed_views <family>`: embeds perturbed training clips."""

from deepemo.dataset.split import read_split
from deepemo.errors import InputError
from deepemo.files import SPLIT
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params
from deepemo.training.seeding import seed_everything
from stages._run import family_argument, stage_main


def main(params: Params, family: str) -> str:
    """Write the family's embeddings of perturbed training clips below data/embeddings.

    Raises:
        InputError: the family embeds no views.
    """
    embed_views = load_family(family).embed_views
    if embed_views is None:
        raise InputError(f"Bad model {family!r}, expected one that embeds views")
    seed_everything(params.seed)
    return f"embed_{family}_views: {embed_views(params, read_split(SPLIT))}"


if __name__ == "__main__":
    stage_main(main, family_argument("embed_views", (name for name in family_names() if load_family(name).embed_views)))
