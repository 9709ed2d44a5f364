"""Training of heads on components that go through memory in blocks: as if they were in memory at once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from benchmarks._growth_heads import EMBEDDINGS, ENCODER, VIEWS, make_embeddings, split_of
from deepemo import mapped
from deepemo.dataset.shards import read_batches, read_features, read_spec, write_shards
from deepemo.dataset.split import TEST_UNSEEN, TRAIN, VALIDATION, voices_heard
from deepemo.emotions import EMOTIONS
from deepemo.files import RESUME
from deepemo.models.speech.family import TrainSpeech
from deepemo.models.speech.network import (
    COMPONENTS,
    DISCRIMINANT,
    DISTANCE,
    HEAD,
    MIXTURE,
    OPINION,
    VOICE_HEAD,
    Layout,
    build_on_embeddings,
)
from deepemo.models.speech.stored import MADE_BY, SOUNDS, VIEWS_FILE
from deepemo.models.speech.train import train_speech
from deepemo.models.voice import Voices, voices_of
from deepemo.pipeline import load_params
from deepemo.training.loop import Trainer
from deepemo.training.seeding import seed_everything

ROOT = Path(__file__).parents[3]
CLIPS = 2000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_embeddings(CLIPS)()
    return folder


def trained(**changed: object) -> keras.Model:
    params = load_params(ROOT / "params.yaml")
    few = {"components": 32, "epochs": 2, "members": 1, "reference_recordings": [3, 10], **changed}
    keras.utils.clear_session()
    seed_everything(1)
    return train_speech(
        params.section("train_speech", TrainSpeech).model_copy(update=few),
        embeddings=EMBEDDINGS,
        views=VIEWS,
        split=split_of(CLIPS),
        emotions=EMOTIONS,
        seed=1,
        resume=Path("heads/resume"),
    ).network


def best_shares(network: keras.Model) -> list[float]:
    """The discriminant's share, of each head, that gives new voices of the validation their emotions likeliest."""
    table = split_of(CLIPS)
    new = table[(table["role"] == VALIDATION) & ~table["speaker"].isin(voices_heard(table))].set_index("clip")
    names, values = zip(*read_features(EMBEDDINGS, pd.Series(new.index), batch_size=500), strict=True)
    components = network.get_layer(COMPONENTS)(np.concatenate(values)).numpy()
    table = new.loc[[name for part in names for name in part]]
    labels = np.array([EMOTIONS.index(emotion) for emotion in table["emotion"]])
    voices = Voices(components, voices_of(table))
    offsets = voices.offsets(np.arange(len(labels)), None, np.random.default_rng(0))
    distances = network.get_layer(DISTANCE)(components).numpy()
    found = []
    for name, inputs in ((HEAD, components), (VOICE_HEAD, components - offsets)):
        head = network.get_layer(name)
        perceptrons, linear = (head.get_layer(part)(inputs).numpy() for part in ("member1", DISCRIMINANT))
        losses = []
        for share in np.linspace(0.0, 1.0, 21):
            grown = share + np.clip(distances - 1.5, 0.0, 1.0) * max(0.8 - share, 0.0)
            losses.append(log_loss(labels, softmax((1.0 - grown) * perceptrons + grown * linear, axis=1)))
        found.append(float(np.argmin(losses)) / 20)
    return found


@pytest.mark.slow
def test_blocks_change_nothing_but_the_rounding(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    at_once = trained()
    assert list(RESUME.iterdir()) == [], "files without a name"
    monkeypatch.setattr(mapped, "BLOCK", 500)
    assert len(list(mapped.blocks(CLIPS))) == 4
    in_blocks = trained()
    for one, other in zip(at_once.variables, in_blocks.variables, strict=True):
        step = 0.051 if one.name == "near" else 1e-3  # a share is one of 21
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=step, err_msg=one.path)
    for name in (HEAD, VOICE_HEAD):
        kernel, _ = at_once.get_layer(name).get_layer(DISCRIMINANT).get_weights()
        assert np.abs(kernel).max() > 0.05
    shutil.rmtree(RESUME)
    assert not at_once.get_layer(OPINION).get_weights()[0].any(), "no sounds, no opinion"

    table = split_of(CLIPS)
    unheard = table.loc[table["role"] == TEST_UNSEEN, "clip"]
    clips = np.concatenate([values for _, values in read_features(EMBEDDINGS, unheard, batch_size=500)])
    project, distance = at_once.get_layer(COMPONENTS), at_once.get_layer(DISTANCE)
    assert np.median(distance(project(clips)).numpy()) == pytest.approx(1.0, abs=0.1), "other voices of the same origin"
    assert distance(project(4.0 * clips)).numpy().min() > 2.5, "far from them"
    near = [float(at_once.get_layer(name).get_layer(MIXTURE).near.numpy()) for name in (HEAD, VOICE_HEAD)]
    assert all(share == pytest.approx(best, abs=0.051) for share, best in zip(near, best_shares(at_once), strict=True))


def moments(table: pd.DataFrame, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings [16] whose statistics are noise; the emotion is the direction of one segment of seven."""
    random = np.random.default_rng(seed)
    for clip, emotion in zip(table["clip"], table["emotion"], strict=True):
        segments = 0.3 * random.normal(size=(7, 2))
        turn = 2.0 * np.pi * EMOTIONS.index(emotion) / len(EMOTIONS)
        segments[random.integers(7)] += 4.0 * np.array([np.cos(turn), np.sin(turn)])
        yield clip, np.concatenate([random.normal(size=2), segments.ravel()]).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("attention_members", "right"), [(1, (0.5, 1.0)), (0, (0.0, 0.3))])
def test_what_only_a_moment_of_a_clip_tells_is_learned(
    attention_members: int, right: tuple[float, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = split_of(CLIPS)
    about = {**ENCODER, "segments": 7, "segment_width": 2}
    write_shards(EMBEDDINGS, moments(table, 1), shards=2, shape=(16,), about=about)
    training = table[table["role"] == TRAIN]
    write_shards(VIEWS / "0", moments(training, 2), shards=2, shape=(16,), about=about)
    (VIEWS / VIEWS_FILE).write_text(json.dumps({"views": 1, "sounds": 0}))
    # The encoder has other widths, so the network is built as after an encoder of one's own.
    monkeypatch.setattr(
        "deepemo.models.speech.train.build_speech",
        lambda encoder, heads, *, taps, segments, classes: build_on_embeddings(
            Layout(16, segments, 2), heads, classes=classes
        ),
    )
    network = trained(epochs=8, attention_members=attention_members, attention_units=32)
    clips = table.loc[table["role"] == TEST_UNSEEN].set_index("clip")
    names, values = zip(*read_features(EMBEDDINGS, pd.Series(clips.index), batch_size=500), strict=True)
    components = network.get_layer(COMPONENTS)(np.concatenate(values)).numpy()
    logits = network.get_layer(HEAD)([components, np.zeros((len(clips), 1), np.float32)]).numpy()
    labels = [EMOTIONS.index(emotion) for emotion in clips.loc[np.concatenate(names), "emotion"]]
    low, high = right
    assert low <= (logits.argmax(axis=1) == labels).mean() <= high


@pytest.mark.slow
def test_sounds_beside_the_views_give_an_opinion(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    made = read_spec(EMBEDDINGS)
    sounds = np.random.default_rng(4).normal(size=(80, *made["shape"])).astype(np.float32)
    sounds[:, 0] += 15.0
    about = {name: made[name] for name in MADE_BY if name in made}
    named = zip((f"tone/{number}" for number in range(80)), sounds, strict=True)
    write_shards(VIEWS / SOUNDS, named, shards=1, shape=made["shape"], about=about)
    before = (VIEWS / VIEWS_FILE).read_bytes()
    (VIEWS / VIEWS_FILE).write_text(json.dumps({**json.loads(before), SOUNDS: 80}))
    try:
        network = trained()
    finally:
        (VIEWS / VIEWS_FILE).write_bytes(before)
        shutil.rmtree(RESUME)
    clips = np.concatenate([values for _, values in read_batches(EMBEDDINGS, batch_size=500)])
    project, opinion = network.get_layer(COMPONENTS), network.get_layer(OPINION)
    assert (opinion(project(sounds)).numpy() < 0).mean() > 0.8
    assert (opinion(project(clips)).numpy() < 0).mean() < 0.15


@pytest.mark.slow
def test_a_checkpoint_of_other_views_is_not_used(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    save = Trainer._save

    def save_and_stop(self: Trainer, *args: object) -> None:
        save(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            trained()
    assert list(Path("heads/resume").rglob("*.npz"))

    kept = VIEWS.with_name("kept")
    shutil.copytree(VIEWS / "0", kept)
    clips = [
        (name, value)
        for names, values in read_batches(kept, batch_size=500)
        for name, value in zip(names, values, strict=True)
    ]
    others = ((name, -value) for name, value in clips)
    made = read_spec(kept)
    shutil.rmtree(VIEWS / "0")
    write_shards(
        VIEWS / "0", others, shards=1, shape=made["shape"], about={name: made[name] for name in MADE_BY if name in made}
    )
    try:
        found = trained()
        assert not list(Path("heads/resume").rglob("*.npz"))
        anew = trained()
    finally:
        shutil.rmtree(VIEWS / "0")
        kept.rename(VIEWS / "0")
    for one, other in zip(found.variables, anew.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
