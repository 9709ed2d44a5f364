"""Runs shared through a DVC remote in S3, served by moto on this machine: the real dvc.yaml, stand-in stages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deepemo.yaml12 import read_yaml, write_yaml
from tests.pipeline.test_reruns import ROOT, STAND_IN, set_param

pytestmark = pytest.mark.slow

SECRET = "not-a-real-secret-key"


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Variables that name a local S3 server with the bucket `runs`, and credentials for it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    names = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "not-a-real-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=names["AWS_ENDPOINT_URL"],
        aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="runs")
    yield {**os.environ, **names, "DVC_NO_ANALYTICS": "1"}
    server.stop()


class Clone:
    """A git clone of the pipeline, with its own DVC cache."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {
            **environment,
            **{
                f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }

    def run(self, *command: str) -> str:
        run = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert SECRET not in run.stdout + run.stderr
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def stages_run(self, *options: str) -> set[str]:
        lines = self.dvc("repro", *options).splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage ")}


@pytest.fixture
def first(tmp_path: Path, environment: dict[str, str]) -> Clone:
    """A clone with a finished, committed and pushed run."""
    clone = Clone(tmp_path / "first", environment)
    clone.folder.mkdir()
    config = read_yaml(ROOT / "dvc.yaml")
    config.pop("plots")
    (clone.folder / "stand_in.py").write_text(STAND_IN)
    for name, stage in config["stages"].items():
        stage["cmd"] = f"{sys.executable} stand_in.py {name}"
        stage["deps"] = ["stand_in.py", *(dep for dep in stage["deps"] if not dep.startswith(("stages/", "deepemo/")))]
    (clone.folder / "dvc.yaml").write_text(write_yaml(config))
    shutil.copy(ROOT / "params.yaml", clone.folder)
    clone.run("git", "init", "--quiet")
    clone.dvc("init", "--quiet")
    clone.dvc("remote", "add", "--default", "storage", "s3://runs/deepemo")
    assert clone.stages_run() == set(config["stages"])
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "A run")
    clone.dvc("push")
    return clone


def test_a_fresh_clone_pulls_the_run_and_trains_a_changed_head_without_recordings(first: Clone, tmp_path: Path) -> None:
    second = Clone(tmp_path / "second", first.environment)
    first.run("git", "clone", "--quiet", str(first.folder), str(second.folder))
    second.dvc("pull")
    assert second.stages_run() == set()

    third = Clone(tmp_path / "third", first.environment)
    first.run("git", "clone", "--quiet", str(first.folder), str(third.folder))
    assert third.stages_run("--pull", "--allow-missing") == set()
    assert not (third.folder / "data" / "raw").exists()
    set_param(third.folder / "params.yaml", "train_speech.hidden_units", 64)
    assert third.stages_run("--pull", "--allow-missing", "train_speech") == {"train_speech"}
    assert not (third.folder / "data" / "raw").exists(), "a training needs no recording"
