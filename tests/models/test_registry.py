"""A new model family is one folder and one entry in the registry: everything else takes it from there.

The toy family of this test lives in a package that the test writes. It has its own section, its own shards, an embed
stage and a front end that no other family has.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import deepemo
from deepemo.dataset.clips import COLUMNS
from deepemo.dataset.shards import write_shards
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.http.served import Served
from deepemo.http.server import Settings
from deepemo.models.registry import family_names, load_family, predictor_names, register, unregister
from deepemo.params import Params
from deepemo.pipeline import load_params
from deepemo.serving import cli
from deepemo.serving.about import describe
from deepemo.serving.models_folder import read_bundle
from deepemo.yaml12 import read_yaml, write_yaml
from stages import cross_corpus, embed, embed_views, evaluate, robustness, train

ROOT = Path(__file__).parents[2]
RATE_HZ = 16_000
PARAMS = {
    "epochs": 2,
    "patience": 2,
    "batch_size": 8,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "average_weights": 0.0,
    "mixed_precision": False,
}
TOY = '''
"""The family `toy`: a layer on the levels of a clip's thirds."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepemo.dataset.shards import read_batches, read_spec, write_shards
from deepemo.files import EMBEDDINGS, FEATURES
from deepemo.models.family import ModelFamily
from deepemo.models.saved import load_weights, read_about
from deepemo.params import Learning
from deepemo.training.fit import Trained, fit

SHARDS = EMBEDDINGS / "toy"
LOUDNESS = {"clip_seconds": 1.5}


class TrainToy(Learning):
    """How it learns."""


class FrontEnd:
    sample_rate_hz = 8000
    clip_seconds = 1.5

    def __eq__(self, other):
        return isinstance(other, FrontEnd)

    def __hash__(self):
        return 0

    def trim(self, samples):
        return samples

    def clip(self, samples, rate_hz):
        drawn = np.linspace(0, len(samples) - 1, 12000)
        return np.interp(drawn, np.arange(len(samples)), samples).astype(np.float32)

    def __call__(self, samples, rate_hz):
        return self.graph(tf.constant(self.clip(samples, rate_hz))).numpy()

    def graph(self, samples):
        return tf.reduce_mean(tf.square(tf.reshape(samples, [3, 4000])), axis=1)

    def steps(self):
        return ["stretch to 12000 samples"]

    def describe(self):
        return LOUDNESS


class Model:
    def __init__(self, about, network):
        self.name, self.about, self.network, self.front_end = "toy", about, network, FrontEnd()

    def logits(self, inputs):
        return self.network(inputs).numpy()

    logits_of_clips = logits

    def graph(self, inputs):
        return self.network(inputs)


def build(emotions):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(len(emotions))], name="toy")


def embed(params):
    def thirds():
        for clips, values in read_batches(FEATURES, batch_size=32):
            yield from zip(clips, values.mean(axis=2)[:, :12].reshape(len(values), 3, -1).mean(axis=2))

    count = write_shards(SHARDS, thirds(), shards=2, shape=(3,), about=LOUDNESS)
    return f"{count} clips"


def train(params, split, resume):
    network, section = build(params.emotions), params.section("train_toy", TrainToy)
    history = fit(network, section, label_smoothing=0.0, folder=SHARDS, split=split,
                  emotions=params.emotions, seed=params.seed, resume=resume)
    return Trained(network=network, settings={}, features=read_spec(SHARDS), history=history)


def load(folder):
    about = read_about(folder)
    network = build(about["emotions"])
    load_weights(network, folder)
    return Model(about, network)


def describe(about, params):
    epochs = params.section("train_toy", TrainToy).epochs
    return f"a toy of {about['parameters']} parameters, trained for {epochs} epochs."


FAMILY = ModelFamily(
    name="toy", sections={"train_toy": TrainToy}, shards=SHARDS, train=train, load=load, describe=describe, embed=embed
)
'''


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The family in a separate package, and its entry in the registry."""
    package = tmp_path_factory.mktemp("packages") / "toy_family"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "family.py").write_text(TOY)
    sys.path.insert(0, str(package.parent))
    register("toy", "toy_family.family")
    yield
    unregister("toy")
    sys.path.remove(str(package.parent))


@pytest.fixture(scope="module")
def params(toy: None, tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The default params, scaled down, with the section of the toy."""
    content = read_yaml(ROOT / "params.yaml")
    content["train_shallow"].update(epochs=1, channels=[4])
    content["embed"].update(weights="random", depths=[0.1])
    content["train_transfer"].update(epochs=1, batch_size=16)
    content["train_transfer"]["finetune"].update(trainable_blocks=0)
    content["embed_speech"].update(taps=["stem"], clips_per_shard=20)
    content["train_speech"].update(epochs=1, batch_size=16, components=8)
    content["train_toy"] = PARAMS
    content["robustness"].update(clips=3)
    for section in ("cross_corpus", "evaluate", "robustness"):
        content[section]["bootstrap_samples"] = 100
    # A family that only this process knows is unknown to others.
    content["cross_corpus"]["workers"] = 1
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(write_yaml(content))
    return load_params(path)


@pytest.fixture(scope="module")
def run(
    params: Params,
    made_split: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
    made_gate: dict[str, object],
    wav: Callable[..., bytes],
) -> Iterator[Path]:
    """A run in which every family is embedded, trained and evaluated."""
    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        (root / "data").mkdir()
        split = made_split.groupby(["role", "corpus", "emotion"]).head(3).reset_index(drop=True)
        split.to_csv("data/split.csv", index=False)
        contents = [f"{row:064x}" for row in range(len(split))]
        members = [f"{row}.wav" for row in range(len(split))]
        clips = split.drop(columns="role").assign(sha256=contents, verdict="good", sentence="dogs", member=members)
        (root / "data/raw").mkdir()
        for corpus, rows in clips.groupby("corpus"):
            with zipfile.ZipFile(root / f"data/raw/{corpus}.zip", "w") as archive:
                for row in rows.index:
                    archive.writestr(members[row], wav(0.1 * np.random.default_rng(row).normal(size=4000)))
        clips.reindex(columns=list(COLUMNS), fill_value="").to_csv("data/clips.csv", index=False)
        spec = params.featurize.model_dump(exclude={"clips_per_shard", "workers"}) | {
            "clip_seconds": 0.5,
            "mel_bands": 40,
        }
        random = np.random.default_rng(1)
        arrays = ((clip, random.random((25, 40), dtype=np.float32)) for clip in split["clip"])
        write_shards(Path("data/features"), arrays, shards=2, shape=(25, 40), about={"features": spec})
        (root / "metrics").mkdir()
        Path("metrics/gate.json").write_text(json.dumps(made_gate))
        for family in family_names():
            if load_family(family).embed:
                embed.main(params, family)
            if load_family(family).embed_views:
                embed_views.main(params, family)
            assert train.main(params, family).startswith(f"train_{family}: ")
        assert cross_corpus.main(params).startswith("cross_corpus: ")
        assert evaluate.main(params).startswith("evaluate: ")
        assert robustness.main(params).startswith("robustness: ")
        yield root


def test_its_name_is_one_of_those_that_everybody_takes_from_the_registry(toy: None) -> None:
    assert family_names() == ("shallow", "transfer", "speech", "toy")
    assert predictor_names() == ("shallow", "transfer", "speech", "toy", "ensemble")


@pytest.mark.slow
def test_it_is_trained_and_evaluated_on_its_own_shards(run: Path) -> None:
    assert (run / "models/toy/model.weights.h5").is_file()
    assert (run / "data/embeddings/toy/spec.json").is_file()
    figures = json.loads((run / "metrics/evaluate.json").read_text())
    for role in ("seen_speakers", "unseen_speakers"):
        assert set(figures["toy"][role]) == {"accuracy", "uar", "macro_f1", "clips"}
        assert (run / "plots/confusion" / f"toy_{role}.csv").is_file()
    assert figures["toy"]["left_out_corpora"]["corpora"] == 1
    assert "left_out_corpora" not in figures["shallow"]
    predictions = pd.read_csv(run / "data/predictions.csv")
    assert predictions["predictor"].unique().tolist() == ["shallow", "transfer", "speech", "toy", "ensemble"]
    by_predictor = {name: part[list(EMOTIONS)].to_numpy() for name, part in predictions.groupby("predictor")}
    weights = json.loads((run / "metrics/evaluate_details.json").read_text())["ensemble_weights"]
    assert set(weights) == {"shallow", "transfer", "speech", "toy"}
    joined = sum(weight * by_predictor[name] for name, weight in weights.items())
    np.testing.assert_allclose(by_predictor["ensemble"], joined, rtol=1e-4)


@pytest.mark.slow
def test_it_is_in_the_pictures_and_in_the_card(run: Path) -> None:
    assert (run / "plots/evaluate/confusion_toy.png").is_file()
    card = (run / "reports/model_card.md").read_text()
    assert "- **toy**: a toy of 28 parameters, trained for 2 epochs." in card
    assert "train_toy:" in card
    robust = json.loads((run / "metrics/robustness.json").read_text())
    assert set(robust["toy"]) == set(robust["ensemble"]) > {"clean", "telephone"}


@pytest.mark.slow
def test_it_answers_alone_and_in_the_ensemble(run: Path, speech: np.ndarray) -> None:
    for name in ("toy", "ensemble"):
        answer = deepemo.Recognizer.load(run / "models", name).recognize(speech, RATE_HZ)
        assert answer.model == name
        assert answer.probabilities is not None
        assert sum(answer.probabilities.values()) == pytest.approx(1)
    bundle = read_bundle(run / "models")
    assert set(bundle.predictors["ensemble"].parts) <= set(bundle.parts) == {"shallow", "transfer", "speech", "toy"}
    assert bundle.parts["toy"].description == "a toy of 28 parameters, trained for 2 epochs."
    assert describe(bundle, "toy")["features"]["clip_seconds"] == 1.5


@pytest.mark.slow
def test_it_is_served_and_said_to_answer(run: Path, speech: np.ndarray, wav: Callable[..., bytes]) -> None:
    app = Served.find(run / "models", "toy", None, Settings()).load()
    with TestClient(app, base_url="http://localhost") as client:
        about = client.get("/v1/model").json()
        assert (about["model"], about["emotions"]) == ("toy", list(EMOTIONS))
        assert about["parts"][0]["description"] == "a toy of 28 parameters, trained for 2 epochs."
        response = client.post("/v1/recognitions", files={"file": ("voice.wav", wav(speech), "audio/wav")})
    assert response.status_code == 200, response.text
    assert response.json()["model"] == "toy"
    assert set(response.json()["probabilities"]) == set(EMOTIONS)


@pytest.mark.slow
def test_every_family_of_this_project_answers_with_the_core_alone(
    run: Path, alone: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    recognize = """
import sys
import numpy as np
import deepemo

for name in sys.argv[2:]:
    recognizer = deepemo.Recognizer.load(sys.argv[1], name)
    recognizer.warm_up()
    print(recognizer.model.name, recognizer.recognize(np.zeros(32000, dtype=np.float32), 16000).reason)
"""
    names = [name for name in family_names() if name != "toy"]
    done = alone(recognize, run / "models", *names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-len(names) :] == [f"{name} silent" for name in names]


@pytest.mark.slow
def test_the_command_line_knows_and_exports_it(run: Path, tmp_path: Path) -> None:
    arguments = ["--model", "toy", "--models", str(run / "models"), "--format", "tflite", "--to", str(tmp_path)]
    made = CliRunner().invoke(cli.app, ["export", *arguments])
    assert made.exit_code == 0, made.output
    about = json.loads((tmp_path / "toy.json").read_text())
    assert about["input"].startswith("float32 [12000]: mono, 8000 Hz")
    assert about["before"] == ["stretch to 12000 samples"]


@pytest.mark.parametrize("name", ["shallow", "ensemble"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name!r}, expected a name that is not one of"):
        register(name, "toy_family.family")


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(InputError, match=r"'deep', expected one of \['shallow', 'transfer', 'speech'"):
        load_family("deep")
