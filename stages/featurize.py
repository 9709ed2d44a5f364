"""Stage `featurize`: every good clip's spectrogram."""

from pathlib import Path

from deepemo.audio.features import Featurizer
from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.featurize import featurize_clips, give_cores_to_clips
from deepemo.dataset.shards import write_shards
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/features."""
    spec = FeatureSpec.from_dict(params.featurize.model_dump())
    clips = good_clips(read_clips(Path("data/clips.csv")))
    arrays = featurize_clips(clips, Path("data/raw"), Featurizer(spec), workers=params.featurize.workers)
    count = write_shards(
        Path("data/features"),
        arrays,
        shards=params.featurize.shards,
        shape=(spec.frames, spec.bands),
        about={"features": spec.to_dict()},
    )
    return f"featurize: {count} clips of {spec.frames} frames x {spec.bands} bands in {params.featurize.shards} shards"


if __name__ == "__main__":
    give_cores_to_clips()
    stage_main(main)
