"""What a model is, where it comes from and what to expect of it, as JSON values and in words."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from deepemo.emotions import how_many
from deepemo.serving.bundle import Bundle
from deepemo.serving.confidence import Origin, when_sure

CAUTIONS = (
    "It judges how speech sounds, not what is said, and knows {emotions} emotions played by actors; real feelings are "
    "mixed, quieter, and often none of the {emotions}.",
    "It does worse on voices, languages, ages, rooms and microphones unlike those it learned from, and so on "
    "recordings of your own: expect its figure on corpora never heard, not that on voices never heard.",
    "A probability says how often such answers were right on clips that did not train the model, not how strong a "
    "feeling is.",
    "It is not fit to judge people: not for hiring, policing, schools, insurance, health or any decision about "
    "somebody. In the European Union, inferring emotions at work and in education is prohibited (AI Act, article 5).",
)


# Figures that belong to no predictor; the last one says why, if no corpus was left out of training.
_COMMON_FIGURES = ("chance", "majority", "left_out_corpora")


def expectation(bundle: Bundle, name: str, origin: Origin | None = None) -> str:
    """How often a predictor is right on users' own recordings, in words.

    This is its figure on corpora never heard. If the run has none, the text says so and why.

    Args:
        bundle: of the run.
        name: of the predictor.
        origin: of the recordings; its confidence decides when an answer is given. By default as
            `PredictorRecord.default_origin`.
    """
    own = bundle.figures.get(name, {}).get("left_out_corpora")
    if own is None:
        why = bundle.figures.get("left_out_corpora", {}).get("not_asked", f"{name} was not trained without a corpus")
        return (
            "How often it is right on recordings of other origin, as yours are, is not known "
            f"({why}); expect less than on voices never heard."
        )
    record = bundle.predictors[name]
    absent = [part for part in record.parts if "left_out_corpora" not in bundle.figures.get(part, {})]
    without = f", {' and '.join(absent)} taking no part" if absent else ""
    return (
        f"Of recordings of other origin, as yours are, expect {own['accuracy']:.0%} to be named rightly (UAR "
        f"{own['uar']:.0%}): the mean over {own['corpora']} corpora, each named by models that learned from the "
        f"others alone{without}.{when_sure(record.other_origin, origin or record.default_origin)}"
    )


def describe(bundle: Bundle, name: str | None = None, origin: Origin | None = None) -> dict[str, Any]:
    """What a predictor is and where it comes from, as JSON values for people and programs.

    Args:
        bundle: of the run.
        name: of the predictor; by default the bundle's default.
        origin: of the recordings that it is to answer; by default as `PredictorRecord.default_origin`.

    Raises:
        InputError: there is none of that name, or no confidence for that origin.
    """
    name, record = bundle.predictor(name)
    parts = [{"name": part, **bundle.parts[part].model_dump()} for part in record.parts]
    return {
        "model": name,
        "version": _package_version(),
        "revision": bundle.revision,
        "emotions": list(bundle.emotions),
        "parts": parts,
        "features": parts[0]["features"],
        "origin": (origin or record.default_origin).value,
        "calibration": record.calibration_for(origin).model_dump(),
        "calibrations": {
            Origin.HEARD.value: record.calibration.model_dump(),
            Origin.OTHER.value: record.other_origin.model_dump() if record.other_origin else None,
        },
        "gate": bundle.gate.model_dump(),
        "corpora": [corpus.model_dump() for corpus in bundle.corpora],
        "clips": bundle.clips,
        "figures": {key: bundle.figures[key] for key in (name, *_COMMON_FIGURES) if key in bundle.figures},
        "expectation": expectation(bundle, name, origin),
        "voice": _voice(bundle, name),
        "params": bundle.params,
        "versions": bundle.versions,
        "limits": [words.format(emotions=how_many(bundle.emotions)) for words in CAUTIONS],
    }


def _voice(bundle: Bundle, name: str) -> dict[str, Any] | None:
    """How a predictor answers recordings whose voice is known; None if it takes no references."""
    voice = bundle.voice_for(name)
    return None if voice is None else voice.model_dump()


def _package_version() -> str | None:
    try:
        return version("deepemo")
    except PackageNotFoundError:
        return None
