"""The pins: what they set, and that an embedding and a few steps of each training are then the same bytes anywhere.

Another processor is stood in for by what an environment may say of instruction sets and threads, and by fewer cores. A
processor of another maker is not: that was done once in an emulator, see docs/reproducibility.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepemo import reproducible
from deepemo.reproducible import FAST, pin, pins, processor_flags

ROOT = Path(__file__).parents[1]
HASWELL = {"avx", "avx2", "fma"}
SKYLAKE_X = HASWELL | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}

# What a shell, a scheduler or a container may have set, none of which may reach a stage's bytes.
ELSEWHERE = {
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_NUM_INTRAOP_THREADS": "5",
    "TF_NUM_INTEROP_THREADS": "3",
    "OMP_NUM_THREADS": "7",
    "OPENBLAS_NUM_THREADS": "6",
    "OPENBLAS_CORETYPE": "SkylakeX",
}

COMPUTE = """
import hashlib, json, os, sys
from pathlib import Path

cores, parts, folder = int(sys.argv[1]), sys.argv[2].split(","), Path(sys.argv[3])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
import stages

import numpy as np
import pandas as pd

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.models.imagenet.embed import embed_features
from deepemo.dataset.shards import read_batches, write_shards
from deepemo.emotions import EMOTIONS
from deepemo.models.shallow.train import train_shallow
from deepemo.training.loop import seed_everything
from deepemo.models.imagenet.train import train_transfer
from deepemo.models.imagenet.backbones.build import build_backbone
from deepemo.models.imagenet.network import build_embedder

FRAMES, BANDS, POOLING, DEPTHS = 64, 128, 2, [0.3, 0.65]
SPEC = dict(sample_rate_hz=16000, kind="mel", clip_seconds=1.28, trim_below_db=None, window_seconds=0.064,
            hop_seconds=0.02, mel_bands=BANDS, min_hz=50.0, max_hz=8000.0, range_db=80.0)
AUGMENT = dict(append_neutral=0.3, time_scale=0.1, time_shift_seconds=0.04, frequency_shift_bands=1.0, gain_db=3.0,
               noise=0.01, time_masks=1, time_mask_seconds=0.06, frequency_masks=1, frequency_mask_bands=2, mixup=0.3)
PHASE = dict(epochs=1, patience=1, batch_size=8, learning_rate=0.01, weight_decay=0.01, average_weights=0.5)
digests = {}


def note(name, arrays):
    digests[name] = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def learned(trained):
    figures = [[row[name] for name in ("loss", "val_loss")] for row in trained.history]
    return [variable.numpy() for variable in trained.network.variables] + [np.array(figures)]


seed_everything(5)
random = np.random.default_rng(5)
clips = [(f"made/{number:02d}", random.uniform(0, 1, (FRAMES, BANDS)).astype(np.float32)) for number in range(28)]
about = {"features": SPEC}
write_shards(folder / "features", clips, shards=2, shape=(FRAMES, BANDS), about=about)
split = pd.DataFrame(
    {"clip": name, "emotion": EMOTIONS[number % 7], "role": "validation" if number >= 21 else "train"}
    for number, (name, _) in enumerate(clips)
)
if "numpy" in parts:
    wide = random.normal(size=(300, 700))
    note("numpy", [wide @ wide.T, (wide @ wide[0]).astype(np.float32), np.exp(wide), np.log(np.abs(wide)), np.sin(wide),
                   np.tanh(wide.astype(np.float32)), np.exp(wide.astype(np.float32)), wide.std(0),
                   np.fft.rfft(wide), np.linalg.svd(wide, compute_uv=False)])
if "embedding" in parts:
    backbone = build_backbone("efficientnet_lite0", weights="imagenet", height=FRAMES, width=BANDS // POOLING, seed=5)
    embedder = build_embedder(backbone, frames=FRAMES, bands=BANDS, band_pooling=POOLING, depths=DEPTHS)
    about |= {"backbone": "efficientnet_lite0", "weights": "imagenet", "band_pooling": POOLING, "depths": DEPTHS}
    embedded = list(embed_features(folder / "features", embedder, batch_size=8))
    note("embedding", [values for _, values in embedded])
    write_shards(folder / "embeddings", embedded, shards=2, shape=embedder.output_shape[1:], about=about)
if "trainings" in parts:
    common = dict(split=split, seed=5, features=folder / "features")
    values = dict(PHASE, channels=[8, 16, 32], band_pooling=2, dropout=0.2, label_smoothing=0.05, augment=AUGMENT)
    note("shallow", learned(train_shallow(values, **common, resume=folder / "shallow")))
    finetune = dict(PHASE, trainable_blocks=3, rate_decay_per_block=0.5, augment=AUGMENT)
    values = dict(PHASE, hidden_units=16, dropout=0.2, label_smoothing=0.05, finetune=finetune)
    note("head and fine-tuning", learned(
        train_transfer(values, **common, embeddings=folder / "embeddings", resume=folder / "transfer")
    ))
print(json.dumps(digests))
"""


def start(folder: Path, parts: str, *, cores: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    folder.mkdir()
    names = {*pins(()), FAST}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.Popen(
        [sys.executable, "-c", COMPUTE, str(cores), parts, str(folder)],
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


def test_pinned_bytes_depend_on_neither_cores_nor_environment(tmp_path: Path) -> None:
    parts = "numpy,embedding,trainings"
    here = start(tmp_path / "here", parts, cores=64, environment={})
    there = start(tmp_path / "there", parts, cores=1, environment=ELSEWHERE)
    first = digests(here)
    assert list(first) == ["numpy", "embedding", "shallow", "head and fine-tuning"]
    assert digests(there) == first


def test_unpinned_bytes_depend_on_the_instruction_set(tmp_path: Path) -> None:
    """What the pins are for; without this, the test above could pass on machines that compute alike anyway."""
    if "avx512f" not in processor_flags():
        pytest.skip("this processor has no AVX-512: there is no wider instruction set than the pinned one to compare")
    ways = {"wide": {}, "narrow": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    runs = [
        start(tmp_path / name, "embedding", cores=2, environment={FAST: "1", **environment})
        for name, environment in ways.items()
    ]
    wide, narrow = (digests(run) for run in runs)
    assert wide != narrow


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
