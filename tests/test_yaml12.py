"""YAML is read as version 1.2: as DVC writes it, and as the params that DVC records."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepemo.errors import InputError
from deepemo.models.shallow.family import TrainShallow
from deepemo.pipeline import load_params
from deepemo.yaml12 import read_yaml, write_yaml

ROOT = Path(__file__).parents[1]

# From the tables in section 10.3.2 of the specification.
SCALARS = [
    ("1e-05", 1e-05),
    ("1e-3", 1e-3),
    ("1E+3", 1e3),
    ("-2.5e-7", -2.5e-7),
    ("+12e03", 12e3),
    (".5", 0.5),
    ("-.5e-1", -0.05),
    (".5e3", 500.0),
    ("5.", 5.0),
    ("0.", 0.0),
    ("-0.0", -0.0),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("0", 0),
    ("+12", 12),
    ("-7", -7),
    ("010", 10),
    ("08", 8),
    ("0o14", 12),
    ("0x3A", 58),
    ("true", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("yes", "yes"),
    ("No", "No"),
    ("on", "on"),
    ("OFF", "OFF"),
    ("y", "y"),
    ("1:30", "1:30"),
    ("1_000", "1_000"),
    ("0b11", "0b11"),
    ("2026-11-27", "2026-11-27"),
    ("1e", "1e"),
    ("e3", "e3"),
    (".", "."),
    ("1.2.3", "1.2.3"),
    ("'1e-05'", "1e-05"),
]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("0123456789+-.eExobnys_:= ~")
CONTENT = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3)
)
# There is no time limit, because the time of an example on a busy machine says nothing about the reader.
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(text: str, folder: Path) -> Any:
    path = folder / "content.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_plain_scalar_is_what_the_specification_says(tmp_path: Path, text: str, value: object) -> None:
    assert same(read(f"key: {text}\nlist: [{text}]\n", tmp_path), {"key": value, "list": [value] if text else []})


def test_not_a_number_is_one(tmp_path: Path) -> None:
    assert math.isnan(read("key: .nan", tmp_path)["key"])


@EXAMPLES
@given(content=CONTENT)
def test_what_dvc_writes_is_read_as_dvc_reads_it(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    text = dumps_yaml({"key": content})
    assert same(read(text, tmp_path_factory.getbasetemp()), {"key": content})


@EXAMPLES
@given(content=CONTENT)
def test_what_is_written_is_read_back_by_us_and_by_dvc(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    text = write_yaml({"key": content})
    assert same(read(text, tmp_path_factory.getbasetemp()), {"key": content})
    assert same(parse_yaml(text, "content.yaml"), {"key": content})


@pytest.mark.parametrize(
    "text", ["0_", "1_000", "_1", "0b1", "1_0.5", "-_", "0x_f", "07", "2026-11-27", "=", "1:30", "0o_7"]
)
def test_text_that_dvc_would_take_for_a_number_or_a_date_stays_text(tmp_path: Path, text: str) -> None:
    written = write_yaml({"key": text})
    assert read(written, tmp_path) == {"key": text}
    assert parse_yaml(written, "content.yaml") == {"key": text}


def test_speakers_that_are_numbers_stay_text(tmp_path: Path) -> None:
    speakers = ["03", "08", "09", "010", "1e3", "0o7", "no"]
    assert read(write_yaml({"speakers": speakers}), tmp_path) == {"speakers": speakers}


@pytest.mark.parametrize("text", ["key: [", "key: \0", "key: !!python/object:os.system x"])
def test_what_is_no_yaml_is_one_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"content\.yaml: not YAML"):
        read(text, tmp_path)
    with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
        read_yaml(tmp_path / "absent.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "content.yaml").write_bytes(b"key: \xff\xfe")
    with pytest.raises(InputError, match=r"content\.yaml: not YAML"):
        read_yaml(tmp_path / "content.yaml")


@pytest.mark.slow
def test_the_repositorys_own_files_are_read_as_dvc_reads_them() -> None:
    for path in [*ROOT.glob("*.yaml"), *ROOT.glob("docs/**/*.yaml"), ROOT / "dvc.lock"]:
        assert same(read_yaml(path), parse_yaml(path.read_text(encoding="utf-8"), path)), path


@pytest.mark.parametrize("rate", [1e-05, 1e-3, 3e-06, 2.5e-10])
def test_a_small_rate_set_by_dvc_reaches_the_stages_and_the_record(tmp_path: Path, rate: float) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    with modify_yaml(path) as params:  # as `dvc exp run -S` does
        params["train_shallow"]["learning_rate"] = rate
    assert load_params(path).section("train_shallow", TrainShallow).learning_rate == rate
    recorded = {"train_shallow": {"learning_rate": rate}}
    (tmp_path / "dvc.lock").write_text(dumps_yaml(recorded), encoding="utf-8")
    assert read_yaml(tmp_path / "dvc.lock") == recorded


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("epochs", "1e3", "found 1000.0"),
        ("epochs", "'12'", "found '12'"),
        ("learning_rate", "'1e-05'", "found '1e-05'"),
        ("learning_rate", "1_0", "found '1_0'"),
        ("dropout", "yes", "found 'yes'"),
        ("dropout", "true", "found True"),
    ],
)
def test_types_stay_strict(tmp_path: Path, key: str, text: str, found: str) -> None:
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    start = params.index("train_shallow:")
    place = params.index(f"\n  {key}:", start)
    changed = f"{params[:place]}\n  {key}: {text}{params[params.index(chr(10), place + 1) :]}"
    (tmp_path / "params.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=rf"train_shallow\.{key}: {found}"):
        load_params(tmp_path / "params.yaml")


def test_the_kind_of_fault_is_real(tmp_path: Path) -> None:
    assert yaml.safe_load("key: 1e-05") == {"key": "1e-05"}  # what YAML 1.1 makes of it
    assert parse_yaml("key: 1e-05", "params.yaml") == {"key": 1e-05}
