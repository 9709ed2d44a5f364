"""The pins: what they set, and that an embedding and a few steps of each training then have the same bytes anywhere.

Another processor is stood in for by what an environment may say of instruction sets and threads, by fewer cores, and by
other caches than this one has. That the approximations of another maker play no part was found once: see
docs/reproducibility.md.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deepemo import reproducible
from deepemo.reproducible import FAST, pin, pins, processor_flags

ROOT = Path(__file__).parents[1]
HASWELL = {"avx", "avx2", "fma"}
SKYLAKE_X = HASWELL | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}

# Settings of a shell, a scheduler or a container. None of them may change a stage's bytes.
ELSEWHERE = {
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTRAOP_THREADS": "5",
    "TF_NUM_INTEROP_THREADS": "3",
    "OMP_NUM_THREADS": "7",
    "OPENBLAS_NUM_THREADS": "6",
    "OPENBLAS_CORETYPE": "SkylakeX",
}

# Caches of two processors, in KiB of the three levels.
SMALL, LARGE = "32,512,16384", "48,2048,524288"

COMPUTE = """
import hashlib, io, json, os, sys, zipfile
from pathlib import Path

cores, parts, folder = int(sys.argv[1]), sys.argv[2].split(","), Path(sys.argv[3])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
root = Path.cwd()
os.chdir(folder)
import stages

import numpy as np
import pandas as pd
import soundfile

from deepemo.audio.features import Featurizer
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.clips import Clip, write_clips
from deepemo.dataset.featurize import give_cores_to_clips
from deepemo.dataset.shards import write_shards
from deepemo.emotions import EMOTIONS
from deepemo.files import CLIPS, EMBEDDINGS, FEATURES, MODELS, RAW, SPLIT, write_csv
from deepemo.pipeline import load_params
from deepemo.yaml12 import read_yaml, write_yaml
from stages import embed, embed_views, train

SIZES = dict(clip_seconds=1.28, trim_below_db=None)
PHASE = dict(epochs=1, patience=1, batch_size=8, average_weights=0.5)
content = read_yaml(root / "params.yaml")
content["featurize"] |= SIZES
content["train_shallow"] |= PHASE | dict(channels=[8, 16, 32])
content["embed"] |= dict(batch_size=8)
content["train_transfer"] |= PHASE | dict(hidden_units=16)
content["embed_speech"] |= dict(taps=["stem", "output", "whisper_layer1"], batch_size=8, clips_per_shard=14)
content["train_speech"] |= PHASE | dict(hidden_units=16)
content["train_transfer"]["finetune"] |= PHASE | dict(trainable_blocks=3)
Path("params.yaml").write_text(write_yaml(content))
params = load_params()
spec = FeatureSpec.from_params(params.featurize)
digests = {}


def note(name, contents):
    digests[name] = hashlib.sha256(b"".join(contents)).hexdigest()


def files(folder):
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


random = np.random.default_rng(5)
shape = (spec.frames, spec.bands)
clips = [(f"made/{number:02d}", random.uniform(0, 1, shape).astype(np.float32)) for number in range(28)]
write_shards(FEATURES, clips, shards=2, shape=shape, about={"features": spec.to_dict()})
rows = [
    {"clip": name, "corpus": "made", "speaker": "made/a", "gender": "female", "emotion": EMOTIONS[number % 7],
     "role": "validation" if number >= 21 else "train"}
    for number, (name, _) in enumerate(clips)
]
write_csv(SPLIT, pd.DataFrame(rows))
if "numpy" in parts:
    wide = random.normal(size=(300, 700))
    arrays = [wide @ wide.T, (wide @ wide[0]).astype(np.float32), np.exp(wide), np.log(np.abs(wide)), np.sin(wide),
              np.tanh(wide.astype(np.float32)), np.exp(wide.astype(np.float32)), wide.std(0),
              np.fft.rfft(wide), np.linalg.svd(wide, compute_uv=False)]
    note("numpy", [np.ascontiguousarray(array).tobytes() for array in arrays])
if "features" in parts:
    give_cores_to_clips()
    featurizer = Featurizer(spec)
    note("features", [featurizer(random.normal(size=20000).astype(np.float32), 16000).tobytes() for _ in range(4)])
if "embedding" in parts:
    embed.main(params, "transfer")
    note("embedding", files(EMBEDDINGS))
if "speech" in parts:
    RAW.mkdir(parents=True)
    with zipfile.ZipFile(RAW / "made.zip", "w") as archive:
        for number in range(len(clips)):
            sound = io.BytesIO()
            soundfile.write(sound, 0.1 * random.normal(size=4000 + 500 * number), 16000, format="WAV")
            archive.writestr(f"{number}.wav", sound.getvalue())
    rows = [Clip(clip=name, corpus="made", member=f"{number}.wav") for number, (name, _) in enumerate(clips)]
    write_clips(CLIPS, rows)
    embed.main(params, "speech")
    note("speech embedding", files(EMBEDDINGS / "speech"))
    embed_views.main(params, "speech")
    note("views of speech", files(EMBEDDINGS / "speech_views"))
    train.main(params, "speech")
    note("speech", [*files(MODELS / "speech"), Path("plots/learning_curve_speech.csv").read_bytes()])
if "trainings" in parts:
    for family in ("shallow", "transfer"):
        train.main(params, family)
        note(family, [*files(MODELS / family), Path(f"plots/learning_curve_{family}.csv").read_bytes()])
print(json.dumps(digests))
"""

# What TensorFlow runs for features and for embeddings of an ImageNet network, and what of it depends on the processor.
APPROXIMATED = """
import json
import stages

import numpy as np

from deepemo.audio.features import Featurizer
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.featurize import give_cores_to_clips
from deepemo.models.imagenet.embed import Embedder
from deepemo.models.imagenet.family import Embed
from deepemo.pipeline import load_params
from deepemo.training.seeding import seed_everything
from tests.fixtures.graphs import approximated, operations_of

params = load_params()
spec = FeatureSpec.from_params(params.featurize)
give_cores_to_clips()
featurizer = Featurizer(spec)
samples = np.random.default_rng(1).normal(size=16000).astype(np.float32)
of_features = operations_of(lambda: featurizer(samples, 16000))
seed_everything(1)
embedder = Embedder(params.section("embed", Embed), spec, seed=1)
of_embeddings = operations_of(lambda: embedder((["a"], np.zeros((1, spec.frames, spec.bands), np.float32))))
written = [operation.type for operation in featurizer._spectrogram.get_concrete_function().graph.get_operations()]
found = sorted(approximated(of_features | of_embeddings))
print(json.dumps([written.count("RealDiv"), of_features, of_embeddings, found]))
"""

# Digests of a product: as the processor's caches have it, with small ones held, with large ones, with small ones again.
PRODUCTS = """
import hashlib, json
import stages

import numpy as np
import tensorflow as tf

from deepemo.eigen import hold_caches

tf.config.threading.set_intra_op_parallelism_threads(1)
random = np.random.default_rng(5)
left, right = (random.normal(size=shape).astype(np.float32) for shape in ((175, 1025), (1025, 128)))
digests = []
for sizes in (None, (32, 512, 16384), (48, 2048, 524288), (32, 512, 16384)):
    if sizes is not None:
        hold_caches(tuple(1024 * size for size in sizes))
    digests.append(hashlib.sha256(tf.matmul(left, right).numpy().tobytes()).hexdigest())
print(json.dumps(digests))
"""


def start(folder: Path, parts: str, *, cores: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    folder.mkdir()
    names = {*pins(()), FAST}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.Popen(
        [sys.executable, "-c", COMPUTE, str(cores), parts, str(folder)],
        cwd=ROOT,
        env={**clean, **environment, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def digests(process: "subprocess.Popen[str]") -> dict[str, str]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    found: dict[str, str] = json.loads(out.splitlines()[-1])
    return found


@pytest.mark.slow
def test_pinned_bytes_depend_on_neither_cores_nor_environment(tmp_path: Path) -> None:
    parts = "numpy,embedding,speech,trainings"
    here = start(tmp_path / "here", parts, cores=64, environment={})
    there = start(tmp_path / "there", parts, cores=1, environment=ELSEWHERE)
    first = digests(here)
    assert list(first) == ["numpy", "embedding", "speech embedding", "views of speech", "speech", "shallow", "transfer"]
    assert digests(there) == first


@pytest.mark.slow
def test_unpinned_bytes_depend_on_the_instruction_set(tmp_path: Path) -> None:
    """Without pins, bytes differ. Otherwise the test above could pass on machines that compute alike anyway."""
    if "avx512f" not in processor_flags():
        pytest.skip("this processor has no AVX-512: there is no wider instruction set than the pinned one to compare")
    ways = {"wide": {}, "narrow": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    runs = [
        start(tmp_path / name, "embedding", cores=2, environment={FAST: "1", **environment})
        for name, environment in ways.items()
    ]
    wide, narrow = (digests(run) for run in runs)
    assert wide != narrow


@pytest.fixture(scope="module")
def pretend(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The environment of a process that is told of other caches than the processor's, by KiB of the three levels."""
    if "cpuid_fault" not in processor_flags():
        pytest.skip("this processor cannot pretend to have other caches: it has no CPUID faulting")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: none can be made that answers for the processor")
    library = tmp_path_factory.mktemp("pretended") / "pretended_caches.so"
    source = Path(__file__).with_name("pretended_caches.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return lambda sizes: {"LD_PRELOAD": str(library), "PRETENDED_CACHES_KIB": sizes}


@pytest.mark.slow
@pytest.mark.parametrize("parts", ["embedding,speech,trainings", "features"])
def test_pinned_bytes_do_not_depend_on_the_caches(
    tmp_path: Path, pretend: Callable[[str], dict[str, str]], parts: str
) -> None:
    runs = [start(tmp_path / sizes, parts, cores=2, environment=pretend(sizes)) for sizes in (SMALL, LARGE)]
    one, other = (digests(run) for run in runs)
    assert one == other


def python(code: str, environment: Mapping[str, str] | None = None) -> list[Any]:
    """What code prints as JSON in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **(environment or {}), FAST: "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: list[Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def products(environment: dict[str, str]) -> list[str]:
    return python(PRODUCTS, environment)


@pytest.mark.slow
def test_features_and_embeddings_depend_on_no_approximations_of_the_processor() -> None:
    divisions, of_features, of_embeddings, approximated = python(APPROXIMATED)
    # A constant divisor would be turned into its reciprocal before anything runs.
    assert of_features["RealDiv"] == divisions > 0
    assert of_embeddings["RealDiv"] > 0
    assert approximated == []


@pytest.mark.slow
def test_the_held_caches_decide_how_a_product_is_summed() -> None:
    _, small, large, again = products({})
    assert small == again != large


@pytest.mark.slow
def test_what_is_not_held_follows_the_caches(pretend: Callable[[str], dict[str, str]]) -> None:
    """Without this, the test of the pinned bytes could pass where the pretended caches reach nobody."""
    (small, *held), (large, *held_elsewhere) = products(pretend(SMALL)), products(pretend(LARGE))
    assert small != large
    assert held == held_elsewhere


def test_numpy_is_told_of_the_groups_that_the_processor_has_and_no_other() -> None:
    assert pins(HASWELL)["NPY_DISABLE_CPU_FEATURES"] == ""
    assert pins(SKYLAKE_X)["NPY_DISABLE_CPU_FEATURES"] == "AVX512F AVX512CD AVX512_SKX"


def test_numpy_takes_the_pin_without_a_word_and_keeps_to_avx2() -> None:
    code = (
        "import stages, numpy.core._multiarray_umath as core\n"
        "print([name for name, found in core.__cpu_features__.items() if found and name in core.__cpu_dispatch__])"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "AVX512" not in run.stdout


def test_a_pin_wins_over_the_environment_and_the_switch_over_the_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "")
    monkeypatch.setattr(reproducible, "processor_flags", lambda: frozenset(SKYLAKE_X))
    monkeypatch.setenv(FAST, "1")
    assert "nothing is pinned" in str(pin())
    assert {name: os.environ[name] for name in ELSEWHERE} == ELSEWHERE
    monkeypatch.delenv(FAST)
    assert pin() is None
    assert {name: os.environ[name] for name in pins(SKYLAKE_X)} == pins(SKYLAKE_X)


@pytest.mark.parametrize(
    ("flags", "named"), [({"avx", "avx2"}, "no fma"), ({"avx", "fma"}, "no avx2"), (set(), "no avx2 and no fma")]
)
def test_a_processor_without_what_is_pinned_is_named(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], named: str
) -> None:
    for name in pins(()):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv(FAST, raising=False)
    monkeypatch.setattr(reproducible, "processor_flags", lambda: frozenset(flags))
    assert named in str(pin())


def test_flags_are_those_of_the_first_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: any\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert processor_flags(file) == {"fpu", "avx2", "fma"}
    file.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert processor_flags(file) == set()
    assert processor_flags(tmp_path / "none") == set()
