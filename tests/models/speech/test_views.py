"""Views of training clips: embedded by the encoder of the embeddings, read back in the requested order."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.corpora.catalogue import synthetic
from deepemo.dataset.clips import SYNTHETIC, Clip, read_clips, write_clips
from deepemo.dataset.shards import read_batches, read_spec
from deepemo.errors import InputError
from deepemo.models.speech import views as views_module
from deepemo.models.speech.embed import write_embeddings
from deepemo.models.speech.family import EmbedSpeech, EmbedSpeechViews
from deepemo.models.speech.stored import check_views, count_views, read_sounds
from deepemo.models.speech.stored import read_views as views_in
from deepemo.models.speech.views import perturbed_sound, write_views
from deepemo.pipeline import load_params
from deepemo.vad.stimuli import KINDS, RATE_HZ, SECONDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PARAMS = load_params(ROOT / "params.yaml")
EMBED = PARAMS.section("embed_speech", EmbedSpeech).model_copy(update={"taps": ["layer1"], "clips_per_shard": 2})
DEFAULT = PARAMS.section("embed_speech_views", EmbedSpeechViews)
# A babble consists of other clips, so a view with one depends on them. A separate test has one.
VIEWS = DEFAULT.model_copy(
    update={
        "views": 2,
        "sounds_per_kind": 0,
        "batch_size": 4,
        "strength": DEFAULT.strength.model_copy(update={"babble_share": 0.0}),
    }
)
CLIPS = [f"made/{number}" for number in range(6)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, spoken: list[np.ndarray]) -> Path:
    """Six clips, the last of them for the test, and their embeddings."""
    folder = tmp_path_factory.mktemp("run")
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        for number, clip in enumerate(CLIPS):
            file = io.BytesIO()
            soundfile.write(file, spoken[number % 3][number * 100 :], 16_000, format="WAV")
            archive.writestr(f"{clip.rpartition('/')[2]}.wav", file.getvalue())
    rows = [Clip(clip=clip, corpus="made", member=f"{number}.wav") for number, clip in enumerate(CLIPS)]
    write_clips(folder / "clips.csv", rows)
    write_embeddings(EMBED, clips=read_clips(folder / "clips.csv"), raw_dir=folder, embeddings=folder / "embeddings")
    return folder


def read_views(folder: Path, clips: list[str]) -> np.ndarray:
    """All views at once: float16 [views, clips, width]."""
    return np.stack(list(views_in(folder, clips)))


def written(run: Path, folder: Path, section: EmbedSpeechViews = VIEWS, clips: list[str] = CLIPS[:5]) -> Path:
    split = pd.DataFrame({"clip": CLIPS, "role": ["train" if clip in clips else "test_unseen" for clip in CLIPS]})
    table = read_clips(run / "clips.csv")
    count, sounds = write_views(
        section, clips=table, split=split, raw_dir=run, embeddings=run / "embeddings", folder=folder, seed=7
    )
    assert count == len(clips)
    assert sounds == section.sounds_per_kind * len(KINDS)
    return folder


@pytest.fixture(scope="module")
def views(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(run, tmp_path_factory.mktemp("views"))


def test_views_are_read_in_the_order_that_is_asked_for(run: Path, views: Path) -> None:
    found = read_views(views, CLIPS[:5])
    assert (found.dtype, found.shape) == (np.float16, (2, 5, 2880))
    np.testing.assert_array_equal(read_views(views, CLIPS[3:1:-1]), found[:, 3:1:-1])
    for name in ("encoder", "taps", "features", "shape", "shards"):
        assert read_spec(views / "1")[name] == read_spec(run / "embeddings")[name]


def test_a_view_is_near_its_own_clip_and_not_the_same(run: Path, views: Path) -> None:
    stored = {
        name: row
        for names, rows in read_batches(run / "embeddings", batch_size=8)
        for name, row in zip(names, rows, strict=True)
    }
    clean = np.stack([stored[clip] for clip in CLIPS[:5]])
    found = read_views(views, CLIPS[:5]).astype(np.float32)
    assert np.abs(found[0] - found[1]).max() > 0.01
    for view in found:
        own = np.linalg.norm(view - clean, axis=1) / np.linalg.norm(clean, axis=1)
        assert own.min() > 1e-3
        assert np.median(own) < 0.5


def test_clips_that_are_not_of_the_training_have_no_views(views: Path) -> None:
    with pytest.raises(InputError, match="no record of 1 clips, among them made/5"):
        read_views(views, CLIPS)
    with pytest.raises(InputError, match="asked for twice"):
        read_views(views, [CLIPS[0], CLIPS[0]])


def test_workers_change_no_byte_and_company_only_the_rounding(run: Path, views: Path, tmp_path: Path) -> None:
    alone = written(run, tmp_path / "alone", VIEWS.model_copy(update={"workers": 1}))
    for file in sorted(path for path in views.rglob("*") if path.is_file()):
        assert (alone / file.relative_to(views)).read_bytes() == file.read_bytes()
    fewer = read_views(written(run, tmp_path / "fewer", clips=CLIPS[1:3]), CLIPS[1:3])
    np.testing.assert_allclose(fewer, read_views(views, CLIPS[1:3]), rtol=1e-2, atol=1e-3)


def test_a_babble_is_of_other_training_clips(run: Path, views: Path, tmp_path: Path) -> None:
    strength = VIEWS.strength.model_copy(update={"babble_share": 1.0, "min_snr_db": 0.0, "max_snr_db": 0.0})
    loud = VIEWS.model_copy(update={"views": 1, "strength": strength})
    among_all = read_views(written(run, tmp_path / "all", loud), CLIPS[:5])
    among_two = read_views(written(run, tmp_path / "two", loud, clips=CLIPS[:2]), CLIPS[:2])
    assert np.abs(among_all[0] - read_views(views, CLIPS[:5])[0]).max(axis=1).min() > 0.01
    assert np.abs(among_all[0, :2] - among_two[0]).max() > 0.01


def test_no_views_are_an_answer_too(run: Path, tmp_path: Path) -> None:
    folder = written(run, tmp_path / "none", VIEWS.model_copy(update={"views": 0}))
    assert count_views(folder) == 0
    assert list(views_in(folder, CLIPS[:5])) == []
    with pytest.raises(InputError, match="expected views of the training clips"):
        read_views(tmp_path / "missing", CLIPS)
    assert read_sounds(folder) is None


def test_sounds_without_speech_are_embedded_with_views_or_without(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_module, "ENOUGH_RECORDED", 5)
    only = VIEWS.model_copy(update={"views": 0, "sounds_per_kind": 2})
    folder = written(run, tmp_path / "sounds", only)
    sounds = read_sounds(folder)
    assert sounds is not None
    assert sounds.shape == (2 * len(KINDS), 2880)
    assert len({row.tobytes() for row in sounds}) == len(sounds)
    check_views(folder, read_spec(run / "embeddings"))
    with pytest.raises(InputError, match=r"sounds: taps: found \['layer1'\], expected \['stem'\]"):
        check_views(folder, {**read_spec(run / "embeddings"), "taps": ["stem"]})


def test_made_sounds_are_perturbed_without_babble_and_made_again() -> None:
    strength = VIEWS.strength.model_copy(update={"babble_share": 1.0})
    sounds = [perturbed_sound("tone", number=number, strength=strength, seed=1) for number in range(20)]
    seconds = [len(sound) / RATE_HZ for sound in sounds]
    assert SECONDS / 1.4 < min(seconds) < 0.85 * SECONDS
    assert 1.2 * SECONDS < max(seconds) < SECONDS / 0.6
    np.testing.assert_array_equal(perturbed_sound("tone", number=3, strength=strength, seed=1), sounds[3])


def test_a_run_that_heard_hardly_anybody_has_no_sounds_even_if_some_were_left(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synthetic.CORPUS.name == SYNTHETIC
    section = VIEWS.model_copy(update={"views": 0, "sounds_per_kind": 2})
    table = read_clips(run / "clips.csv")

    def embedded(clips: pd.DataFrame, folder: Path) -> int:
        split = pd.DataFrame({"clip": CLIPS, "role": "train"})
        of_run = {"raw_dir": run, "embeddings": run / "embeddings"}
        return write_views(section, clips=clips, split=split, **of_run, folder=folder, seed=7)[1]

    assert embedded(table, tmp_path / "few") == 0, "six clips are too few"
    monkeypatch.setattr(views_module, "ENOUGH_RECORDED", len(CLIPS))
    assert embedded(table, tmp_path / "left") == 2 * len(KINDS)
    assert read_sounds(tmp_path / "left") is not None
    assert embedded(table.assign(corpus=SYNTHETIC), tmp_path / "left") == 0
    assert read_sounds(tmp_path / "left") is None
