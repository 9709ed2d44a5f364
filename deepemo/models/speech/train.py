"""Train the heads of the family `speech` on the embeddings that its frozen encoder made."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from deepemo.arrays import Float16Array, Float32Array, Int64Array
from deepemo.dataset.shards import read_spec
from deepemo.dataset.split import TRAIN, VALIDATION, voices_heard
from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.files import folder_sha256
from deepemo.mapped import blocks, mapped, mapped_rows
from deepemo.models.speech.clips import Clips, ComponentBatches
from deepemo.models.speech.discriminant import linear_discriminant
from deepemo.models.speech.family import NEAR, SpeechHeads, TrainSpeech
from deepemo.models.speech.network import (
    COMPONENTS,
    DISCRIMINANT,
    DISTANCE,
    HEAD,
    MIXTURE,
    OPINION,
    PROJECTION,
    SEGMENT_PROJECTION,
    VOICE_HEAD,
    Layout,
    build_on_embeddings,
    build_speech,
    members_of,
    trained_part,
)
from deepemo.models.speech.onnx_encoder import DIGEST, ENCODER_FILE, check_encoder
from deepemo.models.speech.opinion import speech_opinion
from deepemo.models.speech.stored import check_views, count_views, read_embeddings, read_sounds, read_views
from deepemo.models.speech.weights import load_encoder
from deepemo.models.voice import Voices, voices_of
from deepemo.training.batches import class_weights, labels_of
from deepemo.training.fit import VALIDATION_BATCH, History, Trained, training_fingerprint
from deepemo.training.loop import Trainer

_PROJECTED_TOGETHER = 256  # clips


def train_speech(
    section: TrainSpeech,
    *,
    embeddings: Path,
    views: Path,
    split: pd.DataFrame,
    emotions: Emotions,
    seed: int,
    resume: Path,
) -> Trained:
    """Find the principal components of the embeddings, and train the heads on them.

    Args:
        section: the heads, and how they learn.
        embeddings: folder of the embeddings' shards, which say how they were made.
        views: folder of the embeddings of perturbed training clips, and of sounds without speech if there are any, see
            `deepemo.models.speech.stored`.
        split: the split table.
        emotions: of the run.
        seed: of the components, and of the draws of order, views, references and sounds.
        resume: folder for checkpoints.

    Returns:
        The whole network, from samples to logits. With an ONNX encoder, it is the network from embeddings to logits,
        together with the encoder's file. Its history has a column `phase`, `voice_head` or `head`, and holds the mean
        over the members; the epochs of the second phase are numbered after those of the first.

    Raises:
        InputError: the ONNX encoder is not the one that made the embeddings, another encoder made the views, there are
            no validation clips, or the disk is full.
    """
    made_by = read_spec(embeddings)
    check_views(views, made_by)
    training = split[split["role"] == TRAIN]
    layout = Layout(made_by["shape"][0], made_by["segments"], made_by["segment_width"])
    heads = _shape(section, layout, len(training))
    encoder = {name: made_by[name] for name in ("encoder", DIGEST, "taps", "segments") if name in made_by}
    files = {}
    if DIGEST in made_by:
        files[ENCODER_FILE] = embeddings / ENCODER_FILE
        check_encoder(files[ENCODER_FILE], made_by[DIGEST])
        encoder.update(width=layout.width, segment_width=layout.segment_width)
        network = build_on_embeddings(layout, heads, classes=len(emotions))
    else:
        network = build_speech(
            load_encoder(made_by["encoder"]),
            heads,
            taps=made_by["taps"],
            segments=layout.segments,
            classes=len(emotions),
        )
    validation = split[split["role"] == VALIDATION]
    if validation.empty:
        raise InputError("train_speech: found no validation clips, expected some")
    project = network.get_layer(COMPONENTS)
    stored = read_embeddings(embeddings, [*training["clip"], *validation["clip"]])
    learned, held_out = stored[: len(training)], stored[len(training) :]
    _adapt(project, layout, learned, seed=seed)
    learning = _clips(project, learned, training, emotions, views=views)
    judging = _clips(project, held_out, validation, emotions)
    new = ~validation["speaker"].isin(voices_heard(split)).to_numpy()
    choosing = _clips(project, mapped_rows(held_out, new), validation[new], emotions) if new.any() else judging
    network.get_layer(DISTANCE).adapt(
        *((clips.whole[rows] for rows in blocks(len(clips.labels))) for clips in (learning, judging))
    )
    sounds = read_sounds(views)
    if sounds is not None:
        network.get_layer(OPINION).set_weights(
            speech_opinion(
                learning.whole,
                learning.views[:, :, : heads.components],
                project(sounds).numpy()[:, : heads.components],
                seed=seed,
            )
        )
    inputs = [folder_sha256(folder) for folder in (embeddings, views)]
    history: History = []
    for name in (VOICE_HEAD, HEAD):
        head = network.get_layer(name)
        _set_discriminant(head.get_layer(DISCRIMINANT), section, learning, knows_voice=name == VOICE_HEAD, seed=seed)
        rows = [
            _train_member(
                member,
                section,
                learning,
                judging,
                weights=class_weights(training, emotions),
                knows_voice=name == VOICE_HEAD,
                seed=seed + number,
                resume=resume / f"{name}{number}",
                fingerprint=training_fingerprint(name, section, inputs, split, emotions, seed + number),
            )
            for number, member in enumerate(members_of(head), start=1)
        ]
        history += _mean(rows, phase=name, after=len(history))
        _fit_mixture(head, network.get_layer(DISTANCE), choosing, knows_voice=name == VOICE_HEAD, seed=seed)
    near = [float(network.get_layer(name).get_layer(MIXTURE).near.numpy()) for name in (HEAD, VOICE_HEAD)]
    return Trained(
        network=network,
        settings={**encoder, **heads.model_dump(), NEAR: [round(share, 2) for share in near]},
        features=made_by["features"],
        history=history,
        files=files,
    )


def _shape(section: TrainSpeech, layout: Layout, clips: int) -> SpeechHeads:
    """The shape of the heads, with no more components than there are training clips or numbers."""
    shape = section.model_dump(include=set(SpeechHeads.model_fields))
    shape["components"] = min(section.components, clips, layout.statistics)
    shape["segment_components"] = min(section.segment_components, clips, max(1, layout.segment_width))
    return SpeechHeads(**shape)


def _adapt(project: keras.Model, layout: Layout, learned: Float16Array, *, seed: int) -> None:
    """Find the principal components by the training clips: of the statistics, and of the segments if they are used."""
    count = len(learned)
    whole = (values[:, : layout.statistics] for values in _batches(learned))
    project.get_layer(PROJECTION).adapt(whole, count, seed=seed)
    if SEGMENT_PROJECTION in {layer.name for layer in project.layers}:
        parts = (values[:, layout.statistics :].reshape(-1, layout.segment_width) for values in _batches(learned))
        project.get_layer(SEGMENT_PROJECTION).adapt(parts, count * layout.segments, seed=seed)


def _batches(embeddings: Float16Array) -> Iterator[Float32Array]:
    """Embeddings in float32, as many in memory at once as are projected at once."""
    for start in range(0, len(embeddings), _PROJECTED_TOGETHER):
        yield embeddings[start : start + _PROJECTED_TOGETHER].astype(np.float32)


def _clips(
    project: keras.Model,
    embeddings: Float16Array,
    table: pd.DataFrame,
    emotions: Emotions,
    *,
    views: Path | None = None,
) -> Clips:
    """Components of the clips of some rows of the split table, and of their views if there are any."""

    def write_components(embedded: Float16Array, components: Float32Array) -> None:
        for start, values in zip(range(0, len(embedded), _PROJECTED_TOGETHER), _batches(embedded), strict=True):
            components[start : start + len(values)] = project(values).numpy()

    components: Float32Array = mapped((len(table), project.output_shape[-1]), np.float32)
    write_components(embeddings, components)
    perturbed = mapped((0 if views is None else count_views(views), *components.shape), np.float32)
    if views is not None:
        for view, embedded in zip(perturbed, read_views(views, list(table["clip"])), strict=True):
            write_components(embedded, view)
    whole = components[:, : project.get_layer(PROJECTION).components]
    labels = np.array(labels_of(table, emotions))
    return Clips(components, whole, labels, emotions, Voices(components, voices_of(table)), perturbed)


def _set_discriminant(
    layer: keras.layers.Layer, section: TrainSpeech, learning: Clips, *, knows_voice: bool, seed: int
) -> None:
    """Fit the linear discriminant to the training clips and all their views, as a head takes them."""
    width = learning.whole.shape[1]
    if knows_voice:
        batches = _relative(learning, section.reference_recordings, np.random.default_rng(seed))
    else:
        batches = ((values, learning.labels) for values in (learning.whole, *learning.views[:, :, :width]))
    kernel, bias = linear_discriminant(
        batches,
        width=width,
        classes=len(learning.emotions),
        shrinkage=section.discriminant_shrinkage,
    )
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])


def _relative(
    learning: Clips, recordings: Sequence[int], random: np.random.Generator
) -> Iterator[tuple[Float32Array, Int64Array]]:
    """The whole clips minus the offsets of references of each size, and each view minus those of the largest size."""
    width = learning.whole.shape[1]
    sizes = [(learning.whole, size) for size in recordings]
    sizes += [(view, max(recordings)) for view in learning.views[:, :, :width]]
    for values, size in sizes:
        for rows in blocks(len(learning.labels)):
            offsets = learning.voices.offsets(np.arange(rows.start, rows.stop), size, random, width=width)
            yield values[rows] - offsets, learning.labels[rows]


def _train_member(
    member: keras.Model,
    section: TrainSpeech,
    learning: Clips,
    judging: Clips,
    *,
    weights: np.ndarray,
    knows_voice: bool,
    seed: int,
    resume: Path,
    fingerprint: str,
) -> History:
    values = _without_voices(judging, np.random.default_rng(seed)) if knows_voice else judging.components
    values = values[:, : member.input_shape[-1]]
    batches = [
        (values[start : start + VALIDATION_BATCH], judging.labels[start : start + VALIDATION_BATCH])
        for start in range(0, len(values), VALIDATION_BATCH)
    ]
    trainer = Trainer(
        member,
        section,
        ComponentBatches(
            learning,
            width=member.input_shape[-1],
            batch_size=section.batch_size,
            seed=seed,
            view_share=0.0 if knows_voice else section.view_share,
            recordings=section.reference_recordings if knows_voice else (),
        ),
        lambda: batches,
        label_smoothing=section.label_smoothing,
        class_weights=weights,
    )
    return trainer.run(resume, fingerprint)


def _fit_mixture(
    head: keras.Model, distance: keras.layers.Layer, choosing: Clips, *, knows_voice: bool, seed: int
) -> None:
    """Choose the discriminant's share for near clips by clips that the head has not learned from."""
    values = _without_voices(choosing, np.random.default_rng(seed)) if knows_voice else choosing.components
    linear, trained, whole = head.get_layer(DISCRIMINANT), trained_part(head), choosing.whole.shape[1]
    parts = []
    for rows in blocks(len(values)):
        far = distance(choosing.whole[rows]).numpy()
        parts.append((trained(values[rows], training=False).numpy(), linear(values[rows][:, :whole]).numpy(), far))
    joined = (np.concatenate(part) for part in zip(*parts, strict=True))
    head.get_layer(MIXTURE).fit(*joined, choosing.labels)


def _without_voices(clips: Clips, random: np.random.Generator) -> Float32Array:
    """The components minus the offsets of references that hold all other clips of a voice."""
    values: Float32Array = mapped(clips.components.shape, np.float32)
    for rows in blocks(len(values)):
        values[rows] = clips.components[rows] - clips.voices.offsets(np.arange(rows.start, rows.stop), None, random)
    return values


def _mean(members: Sequence[History], *, phase: str, after: int) -> History:
    """One row per epoch that all members had, with the mean of their figures."""
    return [
        {
            "phase": phase,
            **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
            "epoch": after + rows[0]["epoch"],
        }
        for rows in zip(*members, strict=False)
    ]
