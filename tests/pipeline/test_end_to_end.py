"""Every stage in turn, from recordings to figures: on a tiny synthetic corpus, and on a slice of each real one."""

import contextlib
import importlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.pipeline import load_params
from deepemo.serving.recognizer import Recognizer
from deepemo.yaml12 import read_yaml, write_yaml
from tests.fixtures.onnx_encoder import SmallEncoder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
TINY = {
    "featurize": {"clip_seconds": 1.5, "mel_bands": 40, "clips_per_shard": 60},
    "train_shallow": {"channels": [4, 8], "epochs": 2},
    "train_transfer": {"epochs": 2, "batch_size": 32},
    "embed_speech": {"taps": ["layer2"], "clip_seconds": 1.5, "clips_per_shard": 60},
    "embed_speech_views": {"sounds_per_kind": 2},
    "train_speech": {"epochs": 2, "batch_size": 32},
    "gate": {"clips": 10, "made_sounds": 2},
    "cross_corpus": {"bootstrap_samples": 100},
    "evaluate": {"bootstrap_samples": 100},
    "robustness": {"clips": 6, "bootstrap_samples": 100},
}
SLICE = {
    "ravdess": [f"Actor_{actor:02d}/*.wav" for actor in (1, 2, 3, 4, 5, 6)],
    "crema_d": [f"AudioWAV/{speaker}_I[ET]*.wav" for speaker in (1001, 1002, 1003, 1004, 1005, 1006)],
    "tess": ["OAF_*/OAF_b*.wav", "YAF_*/YAF_b*.wav"],
    "savee": ["AudioData/*/*0[1-4].wav"],
}


def prepare(
    folder: Path, download: dict[str, Any], split: dict[str, Any] | None = None, *, emotions: Sequence[str] = EMOTIONS
) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["emotions"] = list(emotions)
    for section, values in {**TINY, "download": download, "split": split or {}}.items():
        params[section].update(values)
    params["train_transfer"]["finetune"].update(trainable_blocks=1, epochs=1, batch_size=32)
    (folder / "params.yaml").write_text(write_yaml(params))


def use_own_encoder(folder: Path) -> None:
    """Replace the speech encoder by a small ONNX file, as docs/speech-encoder.md says."""
    SmallEncoder().write(folder / "encoders/small.onnx")
    params = read_yaml(folder / "params.yaml")
    params["embed_speech"].update(encoder="encoders/small.onnx", taps=["early", "late"])
    (folder / "params.yaml").write_text(write_yaml(params))
    stages = read_yaml(ROOT / "dvc.yaml")
    stages["stages"]["embed_speech"]["deps"].insert(0, "encoders/small.onnx")
    (folder / "dvc.yaml").write_text(write_yaml(stages))


def run_all(folder: Path) -> None:
    with contextlib.chdir(folder):
        for name in STAGES:
            module, *arguments = STAGES[name]["cmd"].removeprefix("python -m ").split()
            line = importlib.import_module(module).main(load_params(), *arguments)
            assert line.startswith(module if module == name else name.partition("_")[0])


def check_outputs(folder: Path) -> None:
    for name, stage in STAGES.items():
        for kind in ("outs", "metrics", "plots"):
            for entry in stage.get(kind, []):
                path = folder / (entry if isinstance(entry, str) else next(iter(entry)))
                assert path.exists(), f"{name} did not write {path.name}"
    scores = json.loads((folder / "metrics/evaluate.json").read_text())
    for predictor in ("shallow", "transfer", "speech", "ensemble"):
        for role in ("seen_speakers", "unseen_speakers"):
            figures = scores[predictor][role]
            assert figures["clips"] > 0
            assert all(0 <= figures[name] <= 1 for name in ("accuracy", "uar", "macro_f1"))


def test_the_whole_pipeline_on_a_tiny_synthetic_corpus(tmp_path: Path) -> None:
    prepare(tmp_path, {"synthetic": {"speakers": 4, "sentences": 4, "takes": 1}})
    run_all(tmp_path)
    check_outputs(tmp_path)
    clips = pd.read_csv(tmp_path / "data/clips.csv", keep_default_na=False)
    assert (clips["verdict"] == "good").sum() == 4 * 4 * 7
    assert (clips["verdict"] == "quarantined").sum() > 5
    scores = json.loads((tmp_path / "metrics/evaluate.json").read_text())
    assert "one corpus alone, synthetic" in scores["left_out_corpora"]["not_asked"]


def test_the_whole_pipeline_of_four_emotions_by_an_encoder_of_ones_own_and_what_it_serves(tmp_path: Path) -> None:
    four = ("angry", "happy", "neutral", "sad")
    prepare(tmp_path, {"synthetic": {"speakers": 4, "sentences": 4, "takes": 1}}, emotions=four)
    use_own_encoder(tmp_path)
    run_all(tmp_path)
    check_outputs(tmp_path)
    clips = pd.read_csv(tmp_path / "data/clips.csv", keep_default_na=False)
    assert (clips["verdict"] == "good").sum() == 4 * 4 * 7
    split = pd.read_csv(tmp_path / "data/split.csv")
    assert split["emotion"].value_counts().to_dict() == dict.fromkeys(four, 4 * 4)
    for family in ("shallow", "transfer", "speech"):
        assert json.loads((tmp_path / f"models/{family}/model.json").read_text())["emotions"] == list(four)
    predictions = pd.read_csv(tmp_path / "data/predictions.csv")
    assert tuple(predictions.columns[-4:]) == four
    assert predictions[list(four)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    scores = json.loads((tmp_path / "metrics/evaluate.json").read_text())
    assert scores["chance"] == {"accuracy": 0.25, "uar": 0.25}
    assert len(pd.read_csv(tmp_path / "plots/confusion/ensemble_seen_speakers.csv")) == 4 * 4
    card = (tmp_path / "reports/model_card.md").read_text()
    assert "encoders/small.onnx" in card
    assert "have no role: disgust 16, fear 16, surprise 16." in card
    assert "emotions: [angry, happy, neutral, sad]" in card

    recognizer = Recognizer.load(tmp_path / "models")
    with zipfile.ZipFile(tmp_path / "data/raw/synthetic.zip") as archive:
        answer = recognizer.recognize(archive.read(clips.set_index("clip").loc[split["clip"][0], "member"]))
    assert tuple(answer.probabilities) == four
    assert answer.answer in (*four, "unknown")

    # Results made with four emotions are not used as results made with seven.
    params = load_params(ROOT / "params.yaml")
    with contextlib.chdir(tmp_path):
        for stage in ("evaluate", "robustness"):
            with pytest.raises(InputError) as error:
                importlib.import_module(f"stages.{stage}").main(params)
            assert f"emotions: found {list(four)}, expected {list(EMOTIONS)}, those of params.yaml" in str(error.value)


@pytest.mark.corpora
class TestOnRealRecordings:
    """A class of its own, so that pytest-xdist may run these long tests beside those above, in another process."""

    def test_the_whole_pipeline_on_a_slice_of_each_real_corpus(self, tmp_path: Path, corpora_dir: Path) -> None:
        source = tmp_path / "recordings"
        for corpus, patterns in SLICE.items():
            files = [file for pattern in patterns for file in sorted((corpora_dir / corpus).glob(pattern))]
            assert len(files) > 50, f"{corpora_dir / corpus} does not hold the recordings of {corpus}"
            for file in files:
                target = source / corpus / file.relative_to(corpora_dir / corpus)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        prepare(tmp_path, {"corpora": list(SLICE), "source_dir": str(source)})
        run_all(tmp_path)
        check_outputs(tmp_path)
        scores = json.loads((tmp_path / "metrics/evaluate.json").read_text())
        assert {name for name in scores if "left_out_corpora" in scores[name]} == {
            "chance",
            "transfer",
            "speech",
            "ensemble",
            "known_voices",
        }
        for predictor in ("transfer", "speech", "ensemble"):
            assert scores[predictor]["left_out_corpora"]["corpora"] == len(SLICE)
        clips = pd.read_csv(tmp_path / "data/clips.csv", keep_default_na=False)
        assert set(clips["corpus"]) == set(SLICE)
        calm = clips[clips["emotion"] == "calm"]
        assert len(calm) == 6 * 8
        assert set(calm["verdict"]) == {"quarantined"}
        assert clips.loc[clips["clip"] == "tess/OAF_bite_neutral", "repairs"].str.contains("speaker_code").all()

    def test_the_whole_pipeline_on_nemo_without_disgust_and_on_a_corpus_from_a_csv(
        self, tmp_path: Path, corpora_dir: Path
    ) -> None:
        """nEMO with its table; and one of its voices as a user's own corpus, under other names, as FLAC with a CSV."""
        samples = corpora_dir / "nemo/samples"
        if not samples.is_dir():
            pytest.skip(f"{corpora_dir} holds no nemo/")
        source = tmp_path / "recordings"
        (source / "nemo/samples").mkdir(parents=True)
        shutil.copy(corpora_dir / "nemo/data.tsv", source / "nemo/data.tsv")
        for speaker in ("EB0", "IC0", "KS0", "SM0"):
            for file in sorted(samples.glob(f"{speaker}_*_[1-8].wav")):
                shutil.copy(file, source / "nemo/samples" / file.name)
        own = source / "call_centre"
        own.mkdir()
        words = {"anger": "cross", "happiness": "glad", "neutral": "calm voice"}
        rows = ["recording,mood,who,gender"]
        for number, file in enumerate(sorted(samples.glob("MK0_*_[1-8].wav"))):
            emotion = file.stem.split("_")[1]
            if emotion in words:
                soundfile.write(own / f"{number}.flac", *soundfile.read(file))
                rows.append(f"{number}.flac,{words[emotion]},agent 7,female")
        (own / "calls.csv").write_text("\n".join(rows) + "\n")
        (own / "corpus.yaml").write_text(
            "title: Calls\nlicence: ours alone\nlanguage: pl\ntable: calls.csv\n"
            "columns: {file: recording, emotion: mood, speaker: who}\n"
            "emotions: {cross: angry, glad: happy, calm voice: neutral}\n"
        )
        prepare(
            tmp_path,
            {"corpora": ["nemo", "call_centre"], "source_dir": str(source)},
            {"held_out_corpora": ["call_centre"]},
        )
        run_all(tmp_path)
        check_outputs(tmp_path)
        clips = pd.read_csv(tmp_path / "data/clips.csv", keep_default_na=False)
        assert set(clips["verdict"]) == {"good"}
        assert clips["corpus"].value_counts().to_dict() == {"nemo": 4 * 6 * 8, "call_centre": 3 * 8}
        assert set(clips["language"]) == {"pl"}
        assert set(clips.loc[clips["corpus"] == "call_centre", "emotion"]) == {"angry", "happy", "neutral"}
        assert set(clips.loc[clips["corpus"] == "nemo", "gender"]) == {"female", "male"}
        details = json.loads((tmp_path / "metrics/evaluate_details.json").read_text())
        unseen = details["roles"]["unseen_speakers"]["predictors"]["speech"]
        assert unseen["emotions_missing"] == ["disgust"]
        assert set(unseen["languages"]) == {"pl"}
        never_heard = details["roles"]["unseen_corpus"]["predictors"]["speech"]["corpora"]["call_centre"]
        assert never_heard["emotions_missing"] == ["disgust", "fear", "sad", "surprise"]
        assert 0 <= never_heard["uar"] <= 1
        card = (tmp_path / "reports/model_card.md").read_text()
        assert "| nemo | " in card
        assert "6, no disgust" in card
