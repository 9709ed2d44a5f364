"""Embeddings of perturbed copies of the training clips, by the encoder that embedded the clips themselves."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from deepemo.arrays import Float32Array
from deepemo.audio.perturb.views import generator_of, random_view
from deepemo.dataset.shards import SPEC_FILE, read_spec, write_shards
from deepemo.dataset.split import TRAIN
from deepemo.files import write_json
from deepemo.models.speech.embed import EncoderSource, embed_in_order, prepare_clips
from deepemo.models.speech.family import EmbedSpeechViews
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.stored_views import MADE_BY, VIEWS_FILE

# Number of training clips from which babble is made.
_VOICES = 60


def write_views(
    section: EmbedSpeechViews,
    *,
    clips: pd.DataFrame,
    split: pd.DataFrame,
    raw_dir: Path,
    embeddings: Path,
    folder: Path,
    seed: int,
) -> int:
    """Perturb the training clips and write their embeddings, a folder of shards for each view.

    Args:
        section: how many views, and how strongly they are perturbed.
        clips: rows of the clip table; those of training clips must be decodable.
        split: the split table.
        raw_dir: folder of `<corpus>.zip`.
        embeddings: folder of the embeddings of the unchanged clips, which record the encoder, its taps and the front
            end.
        folder: folder to write to.
        seed: of the draws. Each draw depends on the clip's id and the number of the view; that of a babble depends on
            the ids of the training clips too.

    Returns:
        How many clips each view has.

    Raises:
        InputError: the encoder's weights are missing or wrong, its ONNX file cannot be used, or there are no
            embeddings.
    """
    made = read_spec(embeddings)
    front_end = SpeechFrontEnd.from_dict(made["features"], source=str(embeddings / SPEC_FILE))
    training = clips[clips["clip"].isin(split.loc[split["role"] == TRAIN, "clip"])]
    if section.views:
        embedder = EncoderSource(made, embeddings, section.batch_size).open()
    voices = {}
    if section.views and section.strength.babble_share:
        speaking = training.sample(min(_VOICES, len(training)), random_state=seed)
        voices = dict(prepare_clips(speaking, raw_dir, front_end, workers=section.workers))
    for view in range(section.views):

        def change(clip: str, samples: Float32Array, view: int = view) -> Float32Array:
            random = generator_of(clip, view=view, seed=seed)
            others = [voice for other, voice in voices.items() if other != clip]
            return random_view(samples, front_end.sample_rate_hz, section.strength, random, others)

        prepared = prepare_clips(training, raw_dir, front_end, workers=section.workers, change=change)
        progress = tqdm(
            embed_in_order(embedder, prepared),
            total=len(training),
            desc=f"embed_speech_views {view + 1} of {section.views}",
            unit="clip",
            disable=None,
            mininterval=1,
        )
        about = {name: made[name] for name in MADE_BY if name in made}
        write_shards(folder / str(view), progress, shards=made["shards"], shape=(embedder.width,), about=about)
    write_json(folder / VIEWS_FILE, section.model_dump(exclude={"batch_size", "workers"}))
    return len(training)
