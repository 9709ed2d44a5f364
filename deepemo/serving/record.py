"""Make the bundle of a run from the outputs of its stages, for `evaluate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.dataset.split import fingerprint_clips
from deepemo.evaluation.files import headlines
from deepemo.evaluation.known_voices import KnownVoices, known_voice_figures
from deepemo.evaluation.report import Evaluation
from deepemo.files import file_sha256
from deepemo.models.family import ABOUT_FILE, WEIGHTS_FILE
from deepemo.models.registry import ENSEMBLE, load_family
from deepemo.params import Params
from deepemo.pipeline import recorded
from deepemo.serving.bundle import Bundle, ClipLimits, CorpusRecord, GateRecord, Part, calibration_digest
from deepemo.serving.confidence import PredictorRecord, VoiceRecord

NOT_RECORDED = "not recorded"


def record_run(
    models: Path,
    abouts: Mapping[str, Mapping[str, Any]],
    evaluation: Evaluation,
    known_voices: KnownVoices | None,
    *,
    split: pd.DataFrame,
    clips: pd.DataFrame,
    provenance: Sequence[Mapping[str, Any]],
    gate: Mapping[str, Any],
    params: Params,
    revision: str,
    versions: Mapping[str, str],
) -> Bundle:
    """The bundle of a run.

    Args:
        models: folder of models, a folder in it for each network.
        abouts: content of each network's `model.json`, by the name of its folder.
        evaluation: of the networks' predictors, and of their ensemble.
        known_voices: how recordings of known voices are answered; None if no network takes references.
        split: the split table.
        clips: the good rows of the clip table.
        provenance: the record of each corpus.
        gate: the metrics of the voice gate.
        params: of the run.
        revision: of the code.
        versions: of packages, by name.
    """
    joined = {name: weight for name, weight in evaluation.ensemble_weights.items() if weight}
    weights = {ENSEMBLE: joined, **{name: {name: 1.0} for name in abouts}}
    parts = {name: _part(models / name, about, params) for name, about in abouts.items()}

    def predictor(name: str) -> PredictorRecord:
        shares = list(weights[name]), list(weights[name].values())
        calibration, other_origin = evaluation.confidences[name], evaluation.other_origins.get(name)
        return PredictorRecord(
            parts=shares[0],
            weights=shares[1],
            calibration=calibration,
            calibrated_sha256=calibration_digest(parts, *shares, calibration, other_origin),
            other_origin=other_origin,
        )

    return Bundle(
        format=3,
        revision=revision,
        versions=dict(versions),
        params=recorded(params),
        emotions=evaluation.emotions,
        clips=_fingerprints(split, clips),
        corpora=_corpora(split, provenance),
        parts=parts,
        predictors={name: predictor(name) for name in evaluation.confidences},
        voice=None if known_voices is None else _voice(known_voices, parts),
        default=evaluation.chosen,
        gate=GateRecord.model_validate(gate),
        limits=ClipLimits(
            min_seconds=params.validate_.min_seconds, silent_below_dbfs=params.validate_.silent_below_dbfs
        ),
        figures={**headlines(evaluation), **known_voice_figures(known_voices)},
    )


def _voice(known: KnownVoices, parts: Mapping[str, Part]) -> VoiceRecord | None:
    """None if no reference helps, or the network that takes them has no weight in the answer."""
    weights = {name: weight for name, weight in known.weights.items() if weight}
    if known.part not in weights or known.least_recordings is None:
        return None
    return VoiceRecord(
        part=known.part,
        parts=list(weights),
        weights=list(weights.values()),
        calibration=known.confidence,
        calibrated_sha256=calibration_digest(parts, list(weights), list(weights.values()), known.confidence),
        least_recordings=known.least_recordings,
        least_deviation=known.least_deviation,
        figures=known_voice_figures(known)["known_voices"],
    )


def _part(folder: Path, about: Mapping[str, Any], params: Params) -> Part:
    return Part(
        kind=about["kind"],
        description=" ".join(load_family(about["kind"]).describe(about, params).split()),
        settings=about["settings"],
        features=about["features"],
        parameters=about["parameters"],
        weights_sha256=file_sha256(folder / WEIGHTS_FILE),
        about_sha256=file_sha256(folder / ABOUT_FILE),
        trained_on=about["trained_on"],
        seed=about["seed"],
    )


def _fingerprints(split: pd.DataFrame, clips: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Fingerprints of the contents of the split's clips, and of the clips of each role."""
    content = split[["clip"]].merge(clips[["clip", "sha256"]], on="clip")
    found = {"contents": fingerprint_clips(content["clip"] + " " + content["sha256"])}
    found |= {str(role): fingerprint_clips(rows["clip"]) for role, rows in split.groupby("role")}
    return {name: dict(fingerprint) for name, fingerprint in found.items()}


def _corpora(split: pd.DataFrame, provenance: Sequence[Mapping[str, Any]]) -> list[CorpusRecord]:
    records = {str(record.get("corpus")): record for record in provenance}
    found = []
    for name in sorted(split["corpus"].unique()):
        record = records.get(name, {})
        found.append(
            CorpusRecord(
                name=name,
                title=record.get("title", name),
                language=record.get("language", NOT_RECORDED),
                licence=record.get("licence", NOT_RECORDED),
                recordings=record.get("recordings"),
                sha256=record.get("sha256"),
            )
        )
    return found
