"""All pictures of the exploration in their order, each with what it tells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepemo.audio.trim import trim_silence
from deepemo.eda.measure import Measurements
from deepemo.eda.plots_balance import draw_class_balance, draw_gender_balance, draw_speaker_balance
from deepemo.eda.plots_choice import draw_coverage, draw_frames, draw_lengths, draw_rates
from deepemo.eda.plots_examples import Clip, draw_resampled, draw_spectrograms, draw_waveforms, explore_spec
from deepemo.eda.plots_views import draw_training_views, draw_views
from deepemo.eda.plots_voice import draw_loudness, draw_pitch, draw_silence, draw_spectra
from deepemo.eda.recommend import Recommendation

CHOICE, BALANCE, SOUND, EXAMPLES = "Rate and length", "Balance", "How it sounds", "Single clips"
BLOCKS_A_SECOND = 100


@dataclass(frozen=True, kw_only=True)
class Views:
    """How strong the changes are that are shown on one clip: decibels, times as long, semitones."""

    snr_db: float
    stretch: float
    pitch_semitones: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the pictures are drawn from.

    Attributes:
        clips: rows of the clip table that may be used.
        measurements: of those drawn.
        recommendation: for the wanted coverage.
        examples: rows of the clip table, one a class.
        sounds: by emotion, float32 [n] and its rate.
        resample_hz: the rates at which one clip is shown.
        views: how strong the changes shown are.
        silent_below_db: how far below the loudest block an end counts as silent.
        seed: of the views' draws.
    """

    clips: pd.DataFrame
    measurements: Measurements
    recommendation: Recommendation
    examples: pd.DataFrame
    sounds: Mapping[str, Clip]
    resample_hz: Sequence[int]
    views: Views
    silent_below_db: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture yet to be drawn: its file name without number and suffix, its section, and what it tells."""

    name: str
    section: str
    tells: str
    draw: Callable[[], Figure]


def pictures(found: Findings) -> Iterator[Picture]:
    """Every picture, in the order in which they answer each other's questions."""
    yield from _choice_pictures(found)
    yield from _balance_pictures(found)
    yield from _sound_pictures(found)
    yield from _example_pictures(found)


def _choice_pictures(found: Findings) -> Iterator[Picture]:
    clips, recommendation = found.clips, found.recommendation
    yield Picture(
        name="sample_rates_by_class",
        section=CHOICE,
        tells="At what rate the clips of each class were recorded. Where classes differ, empty bands above half of a "
        "low native rate could tell a class without its sound.",
        draw=lambda: draw_rates(clips, "emotion"),
    )
    yield Picture(
        name="sample_rates_by_corpus",
        section=CHOICE,
        tells="The same by corpus: each was made with one machine, and a clip that differs from its corpus is odd.",
        draw=lambda: draw_rates(clips, "corpus"),
    )
    yield Picture(
        name="lengths_by_class",
        section=CHOICE,
        tells="How long the clips are, silent ends included. A length between the two lines cuts some classes more "
        "than others.",
        draw=lambda: draw_lengths(clips, recommendation),
    )
    yield Picture(
        name="coverage",
        section=CHOICE,
        tells="The rule behind the recommendation: the highest rate that the wanted share of every class reaches "
        "natively, and the shortest length that holds it. The first DeepEmo's choice is dotted.",
        draw=lambda: draw_coverage(clips, recommendation),
    )
    yield Picture(
        name="frames",
        section=CHOICE,
        tells="What a rate and a coverage cost: the samples of a clip, which is what a model's work grows with.",
        draw=lambda: draw_frames(clips, found.resample_hz, recommendation),
    )


def _balance_pictures(found: Findings) -> Iterator[Picture]:
    clips = found.clips
    yield Picture(
        name="classes_by_corpus",
        section=BALANCE,
        tells="Where each class comes from. A class that some corpus lacks is easier in the others for it.",
        draw=lambda: draw_class_balance(clips),
    )
    yield Picture(
        name="genders",
        section=BALANCE,
        tells="Whether each class is spoken by women and men alike. A corpus of one gender cannot tell gender from "
        "recording.",
        draw=lambda: draw_gender_balance(clips),
    )
    yield Picture(
        name="speakers",
        section=BALANCE,
        tells="How many clips each speaker gives. Where few speakers give many, a random split scores how well they "
        "are known by heart.",
        draw=lambda: draw_speaker_balance(clips),
    )


def _sound_pictures(found: Findings) -> Iterator[Picture]:
    yield Picture(
        name="loudness",
        section=SOUND,
        tells="Loudness carries emotion within a corpus, and the level of the recording between corpora.",
        draw=lambda: draw_loudness(found.clips),
    )
    yield Picture(
        name="pitch",
        section=SOUND,
        tells="How high the voice is and how far it moves, in clips drawn evenly over corpora and classes.",
        draw=lambda: draw_pitch(found.measurements),
    )
    yield Picture(
        name="silence",
        section=SOUND,
        tells=f"How much of a clip is over {found.silent_below_db:g} dB quieter than its loudest part, before and "
        "after the voice. Left in, it tells the corpus.",
        draw=lambda: draw_silence(found.measurements),
    )
    yield Picture(
        name="spectra",
        section=SOUND,
        tells="How alike the recordings are. Where the lines part, a model can know the corpus by its microphone and "
        "room, and answer with what is frequent in it.",
        draw=lambda: draw_spectra(found.measurements),
    )


def _example_pictures(found: Findings) -> Iterator[Picture]:
    sounds, recommendation, views = found.sounds, found.recommendation, found.views
    rate_hz, seconds = recommendation.sample_rate_hz, recommendation.clip_seconds
    whose = _whose(found.examples)
    emotion, (samples, native_hz) = max(sounds.items(), key=lambda item: item[1][1])
    block = native_hz // BLOCKS_A_SECOND
    one = (trim_silence(samples, block_samples=block, below_db=found.silent_below_db), native_hz)
    mine = f"{_whose(found.examples[found.examples['emotion'] == emotion])} ({emotion}), silent ends cut off."
    long_enough = len(one[0]) / native_hz * max(1.0, views.stretch)
    yield Picture(
        name="waveforms",
        section=EXAMPLES,
        tells="What differs between emotions at first sight: loudness, pace and pauses.",
        draw=lambda: draw_waveforms(sounds, f"{whose}."),
    )
    yield Picture(
        name="spectrograms",
        section=EXAMPLES,
        tells="The same clips at the recommended rate and length.",
        draw=lambda: draw_spectrograms(sounds, explore_spec("spectrogram", rate_hz, seconds), f"{whose}."),
    )
    yield Picture(
        name="mel_spectrograms",
        section=EXAMPLES,
        tells="On the mel scale low frequencies, where pitch and vowels are, have most of the room.",
        draw=lambda: draw_spectrograms(sounds, explore_spec("mel", rate_hz, seconds), f"{whose}."),
    )
    yield Picture(
        name="resampled",
        section=EXAMPLES,
        tells="What each sample rate throws away of one clip.",
        draw=lambda: draw_resampled(one, found.resample_hz, mine),
    )
    yield Picture(
        name="views",
        section=EXAMPLES,
        tells="What augmentation of recordings does to a waveform and to its spectrogram.",
        draw=lambda: draw_views(
            one,
            explore_spec("mel", rate_hz, long_enough),
            snr_db=views.snr_db,
            stretch=views.stretch,
            pitch_semitones=views.pitch_semitones,
            seed=found.seed,
            note=mine,
        ),
    )
    yield Picture(
        name="training_views",
        section=EXAMPLES,
        tells="What training makes of a clip's features, drawn anew in each epoch: by the same code, about as strong.",
        draw=lambda: draw_training_views(one, explore_spec("mel", rate_hz, long_enough), seed=found.seed, note=mine),
    )


def _whose(examples: pd.DataFrame) -> str:
    """Who says what in some clips."""
    speakers, sentences = np.unique(examples["speaker"]), np.unique(examples["sentence"])
    who = f"Speaker {speakers[0]}" if len(speakers) == 1 else f"{len(speakers)} speakers"
    said = sentences[0].rstrip(".") if len(sentences) == 1 else ""
    return f"{who}, {said!r}" if said else who
