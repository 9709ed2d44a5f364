"""Stage `featurize`: every good clip's spectrogram."""

from deepemo.audio.features import Featurizer
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.featurize import featurize_clips, give_cores_to_clips
from deepemo.dataset.shards import shards_for, write_shards
from deepemo.files import CLIPS, FEATURES, RAW
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write data/features."""
    section = params.featurize
    spec = FeatureSpec.from_params(section)
    clips = good_clips(read_clips(CLIPS))
    arrays = featurize_clips(clips, RAW, Featurizer(spec), workers=section.workers)
    shape = (spec.frames, spec.bands)
    shards = shards_for(len(clips), section.clips_per_shard)
    count = write_shards(FEATURES, arrays, shards=shards, shape=shape, about={"features": spec.to_dict()})
    return f"featurize: {count} clips of {spec.frames} frames x {spec.bands} bands in {shards} shards"


if __name__ == "__main__":
    give_cores_to_clips()
    stage_main(main)
