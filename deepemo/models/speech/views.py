"""Embeddings of perturbed copies of the training clips, by the encoder that embedded the clips themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepemo.arrays import Float32Array
from deepemo.audio.perturb.views import generator_of, random_view
from deepemo.dataset.clips import SYNTHETIC
from deepemo.dataset.shards import SPEC_FILE, read_spec, write_shards
from deepemo.dataset.split import TRAIN
from deepemo.files import write_json
from deepemo.models.speech.embed import EncoderSource, embed_clips, embed_in_order, prepare_clips
from deepemo.models.speech.family import EmbedSpeechViews
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.stored import MADE_BY, SOUNDS, VIEWS_FILE
from deepemo.params import WaveformViews
from deepemo.vad.stimuli import FIRST_LEARNED, KINDS, RATE_HZ, make_sound

# Made sounds are played faster or slower by up to this share, in place of the share for training clips.
SOUND_SPEED = 0.35
# Least number of training clips of people, which are those outside the synthetic corpus, for a second opinion. With 30,
# the opinion refused 7 % of other people's perturbed clips; from 100 on, less than 2 %.
ENOUGH_RECORDED = 100
# Number of training clips from which babble is made.
_VOICES = 60


@dataclass(frozen=True, kw_only=True)
class Perturb:
    """Makes one view of a clip; every draw depends on the clip's id, the view and the seed.

    Attributes:
        strength: how strongly clips are perturbed.
        voices: clips by id from which babble is made, float32 [m] each at `rate_hz`.
        rate_hz: of all samples.
        view: number of the view.
        seed: of the draws.
    """

    strength: WaveformViews
    voices: Mapping[str, Float32Array]
    rate_hz: int
    view: int
    seed: int

    def __call__(self, clip: str, samples: Float32Array) -> Float32Array:
        """Perturb a clip, float32 [n]."""
        random = generator_of(clip, view=self.view, seed=self.seed)
        others = [voice for other, voice in self.voices.items() if other != clip]
        return random_view(samples, self.rate_hz, self.strength, random, others)


def write_views(
    section: EmbedSpeechViews,
    *,
    clips: pd.DataFrame,
    split: pd.DataFrame,
    raw_dir: Path,
    embeddings: Path,
    folder: Path,
    seed: int,
) -> tuple[int, int]:
    """Perturb the training clips and write their embeddings, a folder of shards for each view.

    If there are at least `ENOUGH_RECORDED` training clips of people, made sounds without speech are embedded too, for
    the second opinion of the voice gate. An opinion that learned from only a few people would refuse others.

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
        How many clips each view has, and how many sounds without speech were embedded.

    Raises:
        InputError: the encoder's weights are missing or wrong, its ONNX file cannot be used, or there are no
            embeddings.
    """
    made = read_spec(embeddings)
    front_end = SpeechFrontEnd.from_dict(made["features"], source=str(embeddings / SPEC_FILE))
    training = clips[clips["clip"].isin(split.loc[split["role"] == TRAIN, "clip"])]
    source = EncoderSource(made, embeddings.resolve(), section.batch_size)
    recorded = (training["corpus"] != SYNTHETIC).sum()
    sounds = len(KINDS) * section.sounds_per_kind if recorded >= ENOUGH_RECORDED else 0
    if section.views or sounds:
        embedder = source.open()
    about = {name: made[name] for name in MADE_BY if name in made}
    voices = {}
    if section.views and section.strength.babble_share:
        speaking = training.sample(min(_VOICES, len(training)), random_state=seed)
        voices = dict(prepare_clips(speaking, raw_dir, front_end, workers=section.workers))
    for view in range(section.views):
        embedded = embed_clips(
            embedder,
            source,
            front_end,
            training,
            raw_dir,
            workers=section.workers,
            name=f"embed_speech_views {view + 1} of {section.views}",
            change=Perturb(
                strength=section.strength, voices=voices, rate_hz=front_end.sample_rate_hz, view=view, seed=seed
            ),
        )
        write_shards(folder / str(view), embedded, shards=made["shards"], shape=(embedder.width,), about=about)
    if sounds:
        embedded = embed_in_order(embedder, _sounds(section, front_end, seed=seed))
        write_shards(folder / SOUNDS, embedded, shards=1, shape=(embedder.width,), about=about)
    about_views = section.model_dump(exclude={"batch_size", "workers"})
    write_json(folder / VIEWS_FILE, {**about_views, SOUNDS: sounds})
    return len(training), sounds


def _sounds(section: EmbedSpeechViews, front_end: SpeechFrontEnd, *, seed: int) -> Iterator[tuple[str, Float32Array]]:
    """Names of sounds and the samples that the encoder takes; the gate is measured on other sounds."""
    for kind in KINDS:
        for number in range(section.sounds_per_kind):
            sound = perturbed_sound(kind, number=number, strength=section.strength, seed=seed)
            yield f"{kind}/{number}", front_end.prepare(sound, RATE_HZ)


def perturbed_sound(kind: str, *, number: int, strength: WaveformViews, seed: int) -> Float32Array:
    """A made sound, perturbed as training clips are, but without babble: float32 [n] at 16 kHz.

    Args:
        kind: one of `deepemo.vad.stimuli.KINDS`.
        number: of the sound within its kind.
        strength: of the perturbation of training clips; `SOUND_SPEED` replaces its speed.
        seed: of the draws.
    """
    sound = make_sound(kind, variant=FIRST_LEARNED + number, seed=seed)
    changed = strength.model_copy(update={"babble_share": 0.0, "speed": SOUND_SPEED})
    return random_view(sound, RATE_HZ, changed, generator_of(f"{kind}/{number}", view=0, seed=seed), [])
