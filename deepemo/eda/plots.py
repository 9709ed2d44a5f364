"""All plots of the exploration in their order, each with an explanation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deepemo.audio.samples import trim_silence
from deepemo.charts.style import save
from deepemo.eda.measure import Measurements, MonoClip
from deepemo.eda.plots_clips import (
    draw_class_balance,
    draw_coverage,
    draw_frames,
    draw_gender_balance,
    draw_lengths,
    draw_rates,
    draw_speaker_balance,
)
from deepemo.eda.plots_examples import (
    draw_resampled,
    draw_spectrograms,
    draw_training_views,
    draw_views,
    draw_waveforms,
    explore_spec,
)
from deepemo.eda.plots_sound import draw_apart, draw_loudness, draw_pitch, draw_silence, draw_spectra
from deepemo.eda.recommend import Recommendation
from deepemo.params import Eda

CHOICE, BALANCE, SOUND, EXAMPLES = "Rate and length", "Balance", "How it sounds", "Single clips"
BLOCKS_A_SECOND = 100


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The data that the plots show.

    Attributes:
        clips: good rows of the clip table.
        measurements: of a sample of them.
        recommendation: for the wanted coverage.
        apart: how well a classifier tells corpora apart, see `likeness.tell_pairs`.
        examples: rows of the clip table, one for each class.
        sounds: the examples decoded, by emotion.
        eda: the section of params.yaml.
        seed: of the draws of augmentation.
    """

    clips: pd.DataFrame
    measurements: Measurements
    recommendation: Recommendation
    apart: pd.DataFrame
    examples: pd.DataFrame
    sounds: Mapping[str, MonoClip]
    eda: Eda
    seed: int


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot that is not yet drawn: file name without number and suffix, section of the page, explanation."""

    name: str
    section: str
    text: str
    draw: Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class PlotFile:
    """A plot on disk: its file, section of the page and explanation."""

    path: Path
    section: str
    text: str

    @property
    def title(self) -> str:
        """The file name as words, without the number."""
        return self.path.stem.partition("_")[2].replace("_", " ").capitalize()


def draw_all(findings: Findings, folder: Path) -> list[PlotFile]:
    """Draw every plot.

    Args:
        findings: what to draw.
        folder: of the PNG files, `01_<name>.png` and so on; it is created if missing.
    """
    files = []
    for number, plot in enumerate(all_plots(findings), start=1):
        file = PlotFile(path=folder / f"{number:02d}_{plot.name}.png", section=plot.section, text=plot.text)
        save(plot.draw(), file.path)
        files.append(file)
    return files


def all_plots(findings: Findings) -> Iterator[Plot]:
    """Every plot, in the order of the page."""
    yield from _choice_plots(findings)
    yield from _balance_plots(findings)
    yield from _sound_plots(findings)
    yield from _example_plots(findings)


def _choice_plots(findings: Findings) -> Iterator[Plot]:
    clips, recommendation = findings.clips, findings.recommendation
    yield Plot(
        name="sample_rates_by_class",
        section=CHOICE,
        text="At what rate the clips of each class were recorded. Where classes differ, empty bands above half of a "
        "low native rate could tell a class without its sound.",
        draw=lambda: draw_rates(clips, "emotion"),
    )
    yield Plot(
        name="sample_rates_by_corpus",
        section=CHOICE,
        text="The same by corpus: each was made with one machine, and a clip that differs from its corpus is odd.",
        draw=lambda: draw_rates(clips, "corpus"),
    )
    yield Plot(
        name="lengths_by_class",
        section=CHOICE,
        text="How long the clips are, silent ends included. A length between the two lines cuts some classes more "
        "than others.",
        draw=lambda: draw_lengths(clips, recommendation),
    )
    yield Plot(
        name="coverage",
        section=CHOICE,
        text="The rule behind the recommendation: the highest rate that the wanted share of every class reaches "
        "natively, and the shortest length that holds it. The first DeepEmo's choice is dotted.",
        draw=lambda: draw_coverage(clips, recommendation),
    )
    yield Plot(
        name="frames",
        section=CHOICE,
        text="What a rate and a coverage cost: the samples of a clip, which is what a model's work grows with.",
        draw=lambda: draw_frames(clips, findings.eda.resample_hz, recommendation),
    )


def _balance_plots(findings: Findings) -> Iterator[Plot]:
    clips = findings.clips
    yield Plot(
        name="classes_by_corpus",
        section=BALANCE,
        text="Where each class comes from. A class that some corpus lacks is easier in the others for it.",
        draw=lambda: draw_class_balance(clips),
    )
    yield Plot(
        name="genders",
        section=BALANCE,
        text="Whether each class is spoken by women and men alike. A corpus of one gender cannot tell gender from "
        "recording.",
        draw=lambda: draw_gender_balance(clips),
    )
    yield Plot(
        name="speakers",
        section=BALANCE,
        text="How many clips each speaker gives. Where few speakers give many, a random split scores how well they "
        "are known by heart.",
        draw=lambda: draw_speaker_balance(clips),
    )


def _sound_plots(findings: Findings) -> Iterator[Plot]:
    yield Plot(
        name="loudness",
        section=SOUND,
        text="Loudness carries emotion within a corpus, and the level of the recording between corpora.",
        draw=lambda: draw_loudness(findings.clips),
    )
    yield Plot(
        name="pitch",
        section=SOUND,
        text="How high the voice is and how far it moves, in clips drawn evenly over corpora and classes.",
        draw=lambda: draw_pitch(findings.measurements),
    )
    yield Plot(
        name="silence",
        section=SOUND,
        text=f"How much of a clip is over {findings.eda.silent_below_db:g} dB quieter than its loudest part, before "
        "and after the voice. Left in, it tells the corpus.",
        draw=lambda: draw_silence(findings.measurements),
    )
    yield Plot(
        name="spectra",
        section=SOUND,
        text="How alike the recordings are. Where the lines part, a model can know the corpus by its microphone and "
        "room, and answer with what is frequent in it.",
        draw=lambda: draw_spectra(findings.measurements),
    )
    if len(findings.apart):
        yield Plot(
            name="corpora_told_apart",
            section=SOUND,
            text="How well a linear classifier tells two corpora apart by the long-term spectrum, on voices that it "
            "never heard. At 50 % they sound alike; at 100 % every recording gives its corpus away.",
            draw=lambda: draw_apart(findings.apart),
        )


def _example_plots(findings: Findings) -> Iterator[Plot]:
    sounds, recommendation, strength = findings.sounds, findings.recommendation, findings.eda.views
    rate_hz, seconds = recommendation.sample_rate_hz, recommendation.clip_seconds
    speakers = f"{_describe_speakers(findings.examples)}."
    # A single clip, of the highest native rate.
    emotion, (samples, native_hz) = max(sounds.items(), key=lambda item: item[1].rate_hz)
    block = native_hz // BLOCKS_A_SECOND
    clip = MonoClip(trim_silence(samples, block_samples=block, below_db=findings.eda.silent_below_db), native_hz)
    speaker = _describe_speakers(findings.examples[findings.examples["emotion"] == emotion])
    note = f"{speaker} ({emotion}), silent ends cut off."
    view_spec = explore_spec("mel", rate_hz, clip.seconds * max(1.0, strength.stretch))
    yield Plot(
        name="waveforms",
        section=EXAMPLES,
        text="What differs between emotions at first sight: loudness, pace and pauses.",
        draw=lambda: draw_waveforms(sounds, speakers),
    )
    yield Plot(
        name="spectrograms",
        section=EXAMPLES,
        text="The same clips at the recommended rate and length.",
        draw=lambda: draw_spectrograms(sounds, explore_spec("spectrogram", rate_hz, seconds), speakers),
    )
    yield Plot(
        name="mel_spectrograms",
        section=EXAMPLES,
        text="On the mel scale low frequencies, where pitch and vowels are, have most of the room.",
        draw=lambda: draw_spectrograms(sounds, explore_spec("mel", rate_hz, seconds), speakers),
    )
    yield Plot(
        name="resampled",
        section=EXAMPLES,
        text="What each sample rate throws away of one clip.",
        draw=lambda: draw_resampled(clip, findings.eda.resample_hz, note),
    )
    yield Plot(
        name="views",
        section=EXAMPLES,
        text="What augmentation of recordings does to a waveform and to its spectrogram.",
        draw=lambda: draw_views(clip, view_spec, strength, seed=findings.seed, note=note),
    )
    yield Plot(
        name="training_views",
        section=EXAMPLES,
        text="What training makes of a clip's features, drawn anew in each epoch: by the same code, about as strong.",
        draw=lambda: draw_training_views(clip, view_spec, seed=findings.seed, note=note),
    )


def _describe_speakers(examples: pd.DataFrame) -> str:
    """Who says what in some clips."""
    speakers, sentences = np.unique(examples["speaker"]), np.unique(examples["sentence"])
    who = f"Speaker {speakers[0]}" if len(speakers) == 1 else f"{len(speakers)} speakers"
    said = sentences[0].rstrip(".") if len(sentences) == 1 else ""
    return f"{who}, {said!r}" if said else who
