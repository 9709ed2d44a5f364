"""A user's own encoder: its embeddings of clips, and every way in which a file cannot be an encoder."""

import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.speech.embed import EncoderSource, check_tracked
from deepemo.models.speech.onnx_encoder import DIGEST, ENCODER_FILE, OnnxEncoder, check_encoder, keep_encoder
from tests.fixtures.onnx_encoder import EARLY, EPSILON, KERNEL, LATE, SmallEncoder

CLIPS = [np.random.default_rng(length).normal(0, 0.05, length).astype(np.float32) for length in (4000, 895, 4000, 2345)]


def opened(folder: Path, source: Path, taps: list[str], *, segments: int = 0) -> OnnxEncoder:
    kept = keep_encoder(source, folder)
    return OnnxEncoder(folder / ENCODER_FILE, {**kept, "taps": taps, "segments": segments})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SmallEncoder().write(tmp_path_factory.mktemp("mine") / "mine.onnx")


def test_an_embedding_is_mean_and_deviation_of_the_chosen_outputs_in_their_order(file: Path, tmp_path: Path) -> None:
    encoder = opened(tmp_path, file, ["late", "pooled", "early"])
    assert encoder.width == 2 * LATE + LATE + 2 * EARLY
    for clip, found in zip(CLIPS, encoder(CLIPS), strict=True):
        late, pooled, early = (SmallEncoder().outputs(clip)[name] for name in ("late", "pooled", "early"))
        assert len(late) == (len(clip) - KERNEL) // 160 + 1
        expected = [
            late.mean(0),
            np.sqrt(late.var(0) + EPSILON),
            pooled,
            early.mean(0),
            np.sqrt(early.var(0) + EPSILON),
        ]
        np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-4, atol=1e-5)


def test_segments_are_means_of_the_outputs_that_have_frames(file: Path, tmp_path: Path) -> None:
    encoder = opened(tmp_path, file, ["late", "pooled", "early"], segments=2)
    whole = opened(tmp_path, file, ["late", "pooled", "early"])
    assert (encoder.segment_width, whole.segment_width) == (LATE + EARLY, 0)
    assert encoder.width == whole.width + 2 * encoder.segment_width
    clip = CLIPS[0]
    late, early = (SmallEncoder().outputs(clip)[name] for name in ("late", "early"))
    assert len(late) == 24
    halves = [part.mean(0) for half in (slice(12), slice(12, 24)) for part in (late[half], early[half])]
    np.testing.assert_allclose(encoder([clip])[0, whole.width :], np.concatenate(halves), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(encoder([clip])[0, : whole.width], whole([clip])[0])
    pooled = opened(tmp_path, file, ["pooled"], segments=2)
    assert (pooled.width, pooled.segment_width) == (LATE, 0)


def test_a_clip_is_embedded_alone_whatever_company_it_is_in(file: Path, tmp_path: Path) -> None:
    encoder = opened(tmp_path, file, ["early"])
    together = encoder(CLIPS)
    assert encoder(CLIPS[::-1])[::-1].tobytes() == together.tobytes()
    assert np.concatenate([encoder([clip]) for clip in CLIPS]).tobytes() == together.tobytes()
    assert encoder([]).shape == (0, encoder.width)


def test_another_machine_needs_no_folder_of_this_one(file: Path, tmp_path: Path) -> None:
    kept = {**keep_encoder(file, tmp_path / "kept"), "taps": ["early"], "segments": 0}
    source = EncoderSource(kept, tmp_path / "kept", 4)
    here = source.open()(CLIPS)
    sent = pickle.dumps(source.carried())
    shutil.rmtree(tmp_path / "kept")
    assert pickle.loads(sent).open()(CLIPS).tobytes() == here.tobytes()
    damaged = replace(pickle.loads(sent), content=file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"encoder\.onnx: found sha256"):
        damaged.open()


def test_one_clip_at_a_time_is_enough(tmp_path: Path) -> None:
    file = SmallEncoder().write(tmp_path / "one.onnx", shape=(1, "samples"))
    assert opened(tmp_path / "kept", file, ["pooled"])(CLIPS).shape == (len(CLIPS), LATE)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"more_inputs": ("attention_mask",)}, r"found samples tensor\(float\) .*, attention_mask tensor\(int64\)"),
        ({"kind": "INT64"}, r"found samples tensor\(int64\)"),
        ({"shape": ("n", 16000)}, r"found samples tensor\(float\) \['n', 16000\]"),
        ({"shape": (8, "samples")}, r"found samples tensor\(float\) \[8, 'samples'\]"),
    ],
)
def test_another_input_is_refused_with_what_it_is(tmp_path: Path, other: dict[str, Any], says: str) -> None:
    file = SmallEncoder().write(tmp_path / "mine.onnx", **other)
    with pytest.raises(InputError, match=rf"mine\.onnx\): inputs: {says}.*expected one, float32 \[clips, samples\]"):
        opened(tmp_path / "kept", file, ["early"])


def test_an_input_with_a_channel_is_refused_with_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, shape = onnx.helper, ["n", 1, "samples"]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("samples", "early")]
    graph = helper.make_graph([helper.make_node("Tanh", ["samples"], ["early"])], "small", ends[:1], ends[1:])
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(network, tmp_path / "mine.onnx")
    with pytest.raises(InputError, match=r"found samples tensor\(float\) \['n', 1, 'samples'\], expected one, float32"):
        opened(tmp_path / "kept", tmp_path / "mine.onnx", ["early"])


@pytest.mark.parametrize(
    ("taps", "says"),
    [
        (
            ["early", "stem", "layer1"],
            r"taps: found no output \['stem', 'layer1'\], expected some of \['early', 'late',",
        ),
        (
            ["four_axes"],
            r"output four_axes: found float32 \[1, 1, \d+, 4\] of one clip, expected float32 \[clips, frames,",
        ),
        (["integers"], r"output integers: found int64 \[1, \d+, 4\] of one clip"),
        (["late", "infinite"], r"clip of 16000 samples values that are no numbers or exceed 65504"),
    ],
)
def test_outputs_that_are_missing_or_cannot_be_used_are_named(
    file: Path, tmp_path: Path, taps: list[str], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        opened(tmp_path, file, taps)


def test_a_clip_that_the_network_cannot_take_is_an_error_that_names_the_file(file: Path, tmp_path: Path) -> None:
    encoder = opened(tmp_path, file, ["early"])
    with pytest.raises(InputError, match=rf"{ENCODER_FILE} \(mine\.onnx\): fails on a clip of 50 samples: "):
        encoder([CLIPS[0][:50]])


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "mine.onnx").write_bytes(b"no network")
    with pytest.raises(
        InputError, match=r"encoder\.onnx: .*expected an ONNX network with its weights in the same file"
    ):
        opened(tmp_path / "kept", tmp_path / "mine.onnx", ["early"])
    with pytest.raises(InputError, match=r"absent\.onnx: no such file, expected the ONNX file that embed_speech"):
        keep_encoder(tmp_path / "absent.onnx", tmp_path / "kept")


def test_the_kept_file_is_the_recorded_one_or_none(file: Path, tmp_path: Path) -> None:
    kept = keep_encoder(file, tmp_path)
    assert kept["encoder"] == "mine.onnx"
    check_encoder(tmp_path / ENCODER_FILE, kept[DIGEST])
    shutil.copy(SmallEncoder(seed=1).write(tmp_path / "other.onnx"), tmp_path / ENCODER_FILE)
    with pytest.raises(
        InputError, match=rf"expected {kept[DIGEST][:12]}\.\.\.: not the encoder of what lies beside it"
    ):
        OnnxEncoder(tmp_path / ENCODER_FILE, {**kept, "taps": ["early"], "segments": 0})
    (tmp_path / ENCODER_FILE).unlink()
    with pytest.raises(InputError, match=r"encoder\.onnx: no such file, expected the ONNX encoder with sha256"):
        check_encoder(tmp_path / ENCODER_FILE, kept[DIGEST])


def test_without_its_packages_it_says_what_brings_them(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime cannot be imported .*deepemo\[onnx\]"):
        opened(tmp_path, file, ["early"])


@pytest.mark.parametrize(("pinned", "threads"), [("2", 2), (None, 0)])
def test_it_runs_on_as_many_threads_as_the_other_networks(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: str | None, threads: int
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    seen = []
    session: Callable[..., Any] = runtime.InferenceSession
    monkeypatch.setattr(
        runtime,
        "InferenceSession",
        lambda path, options, **more: seen.append(options) or session(path, options, **more),
    )
    if pinned is None:
        monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    else:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", pinned)
    opened(tmp_path, file, ["early"])
    assert [options.intra_op_num_threads for options in seen] == [threads]


@pytest.mark.parametrize(
    ("dep", "tracked"),
    [
        ("encoders/mine.onnx", True),
        ("./encoders/mine.onnx", True),
        ("encoders", True),
        ("encoders/mine.onnx:\n          cache: false", True),
        ("encoders/other.onnx", False),
        ("mine.onnx", False),
    ],
)
def test_a_file_that_dvc_does_not_watch_is_refused_with_the_line_that_is_missing(
    tmp_path: Path, dep: str, tracked: bool
) -> None:
    pipeline = tmp_path / "dvc.yaml"
    pipeline.write_text(f"stages:\n  embed_speech:\n    deps:\n      - data/raw\n      - {dep}\n")
    if tracked:
        check_tracked(Path("encoders/mine.onnx"), pipeline)
    else:
        with pytest.raises(InputError, match=r"found no encoders/mine\.onnx, .* add `encoders/mine\.onnx` to the list"):
            check_tracked(Path("encoders/mine.onnx"), pipeline)
