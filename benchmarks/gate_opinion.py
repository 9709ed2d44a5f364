"""A second opinion for the voice gate from the speech encoder's embedding, judged on kinds of sounds it never learned.

Run it in the folder of a pipeline run. The gate accepts only a few recordings without speech, so near misses are made
from them: they are played faster and slower, mixed, and cut into pieces. Those that the gate accepts are judged. The
threshold of each opinion is set so that it refuses a small share of speech. Then the opinion is asked about a kind of
sounds, about speakers and about a corpus that were used neither to learn it nor to set its threshold.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks._opinions import OTHER, Project, Sounds, judge, report
from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.perturb.filters import at_speed
from deepemo.audio.samples import at_level, resample
from deepemo.corpora.archive import Archive
from deepemo.dataset.clips import read_clips
from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import TEST_UNSEEN, TRAIN
from deepemo.errors import InputError
from deepemo.files import CLIPS, RAW, SPLIT
from deepemo.models.speech.embed import Embedder, EncoderSource, embed_in_order
from deepemo.models.speech.family import SPEECH_EMBEDDINGS, SPEECH_VIEWS, EmbedSpeechViews
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.layers import Projection
from deepemo.models.speech.network import Layout
from deepemo.models.speech.stored import read_views
from deepemo.models.speech.views import perturbed_sound
from deepemo.params import VoiceDecision
from deepemo.pipeline import load_params
from deepemo.recordings import find_recordings
from deepemo.vad.gate import detect_voice
from deepemo.vad.stimuli import KINDS, RATE_HZ, make_sound
from deepemo.vad.trials import in_conditions

SPEEDS = (0.7, 0.85, 1.2, 1.4)
MIXED = 2  # other sounds of the kind that each is mixed with, one after the other
PIECE_SECONDS = (1.0, 1.5, 2.0, 3.0)
PIECES = 2  # of each length
MADE_VARIANTS = 6  # of each made sound, for near misses
COMPONENTS = 512  # as `train_speech.components`


def near_misses(
    sounds: Sequence[Float32Array], random: np.random.Generator
) -> Iterator[tuple[str, bool, Float32Array]]:
    """Views of sounds of one kind, and pieces of each view.

    Args:
        sounds: float32 [n] each, at 16 kHz.
        random: draws the pieces.

    Yields:
        The view's name, whether it is whole, and its samples.
    """
    for number, sound in enumerate(sounds):
        views = {"as_recorded": sound, **{f"speed_{speed:g}": at_speed(sound, speed) for speed in SPEEDS}}
        for step in range(1, min(MIXED, len(sounds) - 1) + 1):
            other = np.resize(sounds[(number + step) % len(sounds)], len(sound))
            views[f"mixed_{step}"] = at_level(sound, -26.0) + at_level(other, -26.0)
        for name, view in views.items():
            yield name, True, view
            for samples in [round(seconds * RATE_HZ) for seconds in PIECE_SECONDS for _ in range(PIECES)]:
                if len(view) > samples:
                    start = random.integers(len(view) - samples)
                    yield name, False, view[start : start + samples]


class Listener:
    """Asks the gate about sounds, and embeds those that it accepts and those that are kept in any case."""

    def __init__(self, gate: VoiceDecision, embedder: Embedder, front_end: SpeechFrontEnd) -> None:
        """Take the gate's limits, and the encoder with its front end."""
        self._gate = gate
        self._embedder = embedder
        self._front_end = front_end

    def listen(self, sounds: Iterator[tuple[str, str, bool, Float32Array]]) -> Sounds:
        """Embed sounds.

        Args:
            sounds: kind, condition, whether it is kept even if the gate rejects it, and float32 [n] at 16 kHz.
        """

        def accepted() -> Iterator[tuple[tuple[str, bool, str], Float32Array]]:
            for kind, condition, kept, samples in sounds:
                passing = detect_voice(samples, RATE_HZ, self._gate).is_voice
                if (passing or kept) and np.any(samples):
                    yield (kind, passing, condition), self._front_end.prepare(samples, RATE_HZ)

        with threadpool_limits(1, user_api="blas"):  # as in the gate's own measurement
            found = list(embed_in_order(self._embedder, accepted()))
        if not found:
            raise InputError("The gate accepts none of the sounds, expected some to judge")
        kinds, passing, conditions = zip(*(labels for labels, _ in found), strict=True)
        embeddings = np.stack([values for _, values in found])
        return Sounds(embeddings, np.array(kinds), np.array(passing), np.array(conditions))


def read_kinds(folder: Path) -> Mapping[str, list[Float32Array]]:
    """Recordings of a folder by the name of the folder that holds each, float32 [n] at 16 kHz.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    unreadable: list[OSError] = []
    found: dict[str, list[Float32Array]] = {}
    for path in sorted(find_recordings(folder, unreadable.append)):
        found.setdefault(path.parent.name, []).append(_read(path))
    if unreadable or not found:
        raise InputError(f"{folder}: found {unreadable or 'no recordings'}, expected folders of recordings")
    return found


def _read(path: Path) -> Float32Array:
    recording = read_recording(path.read_bytes(), name=str(path))
    return resample(recording.mono(), recording.rate_hz, RATE_HZ)


def unheard_speech(
    clips: pd.DataFrame, other: Path, *, count: int, seed: int
) -> Iterator[tuple[str, str, bool, Float32Array]]:
    """Speech in the gate's conditions: clips of the run's unheard speakers, and recordings of another corpus.

    Args:
        clips: of unheard speakers.
        other: folder of the other corpus.
        count: clips of each corpus.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    for corpus, rows in clips.groupby("corpus"):
        archive = Archive(RAW / f"{corpus}.zip")
        for member in rows.sample(min(count, len(rows)), random_state=seed)["member"]:
            recording = read_recording(archive.read(member), name=member)
            voice = resample(recording.mono(), recording.rate_hz, RATE_HZ)
            for condition, samples in in_conditions(voice, random):
                yield str(corpus), condition, False, samples
    paths = np.array(sorted(str(path) for path in find_recordings(other, _refuse)))
    for path in random.choice(paths, min(count, len(paths)), replace=False):
        for condition, samples in in_conditions(_read(Path(path)), random):
            yield OTHER, condition, False, samples


def _refuse(error: OSError) -> None:
    raise error


def main(
    non_speech: Annotated[Path, typer.Argument(help="Recordings without speech, a folder for each kind.")],
    other_speech: Annotated[Path, typer.Argument(help="Recordings of a corpus in another language.")],
    clips: Annotated[int, typer.Option(help="Clips of each corpus, each in twelve conditions.")] = 40,
    refused_speech: Annotated[float, typer.Option(help="Share of speech that sets the threshold.")] = 0.003,
) -> None:
    """Print how much each opinion would refuse."""
    params, split, spec = load_params(), pd.read_csv(SPLIT), read_spec(SPEECH_EMBEDDINGS)
    embedder = EncoderSource(spec, SPEECH_EMBEDDINGS.resolve(), 16).open()
    listener = Listener(params.gate, embedder, SpeechFrontEnd.from_dict(spec["features"], source="spec.json"))
    random = np.random.default_rng(params.seed)
    kinds = read_kinds(non_speech)
    variants = range(MADE_VARIANTS)
    made_kinds = {kind: [make_sound(kind, variant=v, seed=params.seed) for v in variants] for kind in KINDS}
    recorded, made = (
        listener.listen((kind, *miss) for kind, sounds in group.items() for miss in near_misses(sounds, random))
        for group in (kinds, made_kinds)
    )
    views = params.section("embed_speech_views", EmbedSpeechViews)
    sounds = listener.listen(
        (kind, "made", True, perturbed_sound(kind, number=number, strength=views.strength, seed=params.seed))
        for kind in KINDS
        for number in range(views.sounds_per_kind)
    )
    table_of_clips = read_clips(CLIPS)
    unheard = table_of_clips[table_of_clips["clip"].isin(split.loc[split["role"] == TEST_UNSEEN, "clip"])]
    speech = listener.listen(unheard_speech(unheard, other_speech, count=clips, seed=params.seed))
    speech = speech.where(speech.passing)
    print(f"{recorded.passing.sum()} near misses of recordings, {made.passing.sum()} of made sounds", flush=True)
    training = split[split["role"] == TRAIN]
    corpora = sorted(training["corpus"].unique())
    learned = {
        held: _learn(training[training["corpus"] != held], params.seed)
        for held in (corpora if len(corpora) > 1 else [""])
    }
    print(report(judge(learned, speech, recorded, made, sounds, refused_speech=refused_speech)))


def _learn(training: pd.DataFrame, seed: int) -> tuple[Project, Float32Array]:
    """A projection of embeddings as `train_speech` makes it, and the components of training clips and their views."""
    spec = read_spec(SPEECH_EMBEDDINGS)
    whole = Layout(spec["shape"][0], spec["segments"], spec["segment_width"]).statistics
    order, parts = list[str](), []
    for names, values in read_features(SPEECH_EMBEDDINGS, training["clip"], batch_size=256):
        order += names
        parts.append(values[:, :whole].copy())
    projection = Projection(min(COMPONENTS, len(order)))
    projection.build((None, whole))
    projection.adapt(parts, len(order), seed=seed)

    def project(embeddings: Float32Array) -> Float32Array:
        parts = np.array_split(embeddings[:, :whole], 64)
        return np.concatenate([projection(part).numpy() for part in parts if len(part)])

    views = [project(np.asarray(view, np.float32)) for view in read_views(SPEECH_VIEWS, order)]
    return project, np.concatenate([project(np.concatenate(parts)), *views])


if __name__ == "__main__":
    typer.run(main)
