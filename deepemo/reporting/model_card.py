"""The model card `reports/model_card.md`, written by every evaluation (Mitchell et al., "Model Cards", 2019)."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deepemo.charts.predictors import ROLE_TITLES
from deepemo.emotions import Emotions, how_many
from deepemo.evaluation.agreement import AgreementBand
from deepemo.evaluation.known_voices import KnownVoices
from deepemo.evaluation.report import UNSEEN, Evaluation
from deepemo.models.registry import ENSEMBLE, load_family
from deepemo.params import FeatureParams, Params
from deepemo.pipeline import recorded
from deepemo.reporting import card_data, card_figures, card_gate, card_origin, card_pairs
from deepemo.reporting.markdown import table
from deepemo.yaml12 import write_yaml

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")

USE = """\
Meant for: comparing models and features on these corpora, teaching, and as a first guess at how a short clip of acted
speech sounds, by people who see the confidence and the figures below.

Not meant for, and not to be used for: any decision about a person, such as hiring, schooling, policing, insurance,
health or access; watching employees, pupils, customers or crowds; finding out what a person feels, thinks or means, or
whether they lie. **An emotion named here is a guess about how a voice sounds, not what a person feels**: people often
feel what they do not show and show what they do not feel, and cultures, languages, ages and illnesses differ in how.
"""

LABELS = "- The labels are what was to be played, not what anybody felt"

# Cao et al., "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", 2014.
CREMA_D_LISTENERS = """\
. People who listened to CREMA-D's audio alone named the intended
  emotion 40.9 % of the time (Cao et al. 2014): many of its labels are not what listeners hear. A model that scores
  higher has learned how these actors act, not how to read people."""

LIMITS = """\
- The emotions are acted, one a clip, in short sentences read in quiet rooms. Spontaneous speech,
  several speakers, languages other than the corpora's and mixed feelings were never heard in training or tested; noise,
  rooms and telephones were only simulated.
- The same few sentences are said in training and in tests (the share is under Split): nothing here shows how well
  unheard wording fares.
- Speakers are few and not a sample of any population; gender is what each corpus records, in two values; age, accent
  and health are not looked at.
- The clips of a test role mix corpora of very different difficulty, and no two roles mix them alike: compare roles
  within a corpus before comparing totals.
- One of the {count} emotions is always the likeliest, whatever is heard; silence, noise and music need the voice gate,
  and unsure answers the threshold.
"""


# Measured by a separate stage, which reads the bundle that is written with this card.
ROBUSTNESS = """\
What is left by telephone, through codecs, in a room, in noise and babble, softer, clipped, faster and slower, says
[robustness.md](robustness.md), which the stage `robustness` writes beside this card.
"""


@dataclass(frozen=True, kw_only=True)
class CardInputs:
    """Everything that the card reports on.

    Attributes:
        evaluation: results of the evaluation.
        known_voices: scores with references of the voice; None if no network takes them.
        pairs: content of metrics/cross_corpus_pairs.json.
        agreement: scores of the chosen predictor by how many listeners agreed, by test role.
        split: the split table.
        clips: the clip table, quarantined clips included.
        provenance: content of each data/raw/<corpus>.json.
        models: content of each model's model.json, by the name of its family.
        gate: content of metrics/gate.json.
        params: of the run.
        revision: of the code, see `deepemo.reporting.revision.git_revision`.
        versions: of packages, by name.
        pictures: folder of the charts, relative to the card.
    """

    evaluation: Evaluation
    known_voices: KnownVoices | None
    pairs: Mapping[str, Any]
    agreement: Mapping[str, Sequence[AgreementBand]]
    split: pd.DataFrame
    clips: pd.DataFrame
    provenance: Sequence[Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    gate: Mapping[str, Any]
    params: Params
    revision: str
    versions: Mapping[str, str]
    pictures: str


def write_card(inputs: CardInputs) -> str:
    """The card as Markdown."""
    evaluation = inputs.evaluation
    chosen = evaluation.chosen
    hardest = UNSEEN if UNSEEN in evaluation.roles else next(iter(evaluation.roles))
    report = evaluation.roles[hardest].predictors[chosen]
    curves = _picture(inputs, "learning_curves", f"Loss and scores of {_all_models(inputs)} over their epochs")
    sections = {
        "What the models are": _models(inputs) + "\n" + curves,
        "Use": USE,
        "How good they are": card_origin.three_questions(evaluation)
        + "\n"
        + card_figures.headlines(evaluation)
        + "\n"
        + card_figures.intervals(evaluation)
        + (("\n" + _picture(inputs, "gap", "UAR on heard and never heard speakers")) if evaluation.gaps else ""),
        "Corpora never heard": card_origin.corpora_never_heard(evaluation)
        + (
            ("\n" + _picture(inputs, "cross_corpus", "UAR on each corpus that was left out of training"))
            if evaluation.cross_corpus["asked"]
            else ""
        ),
        "Corpora by corpora": card_pairs.corpora_by_corpora(inputs.pairs, chosen)
        + (
            ("\n" + _picture(inputs, "corpus_pairs", "UAR by the corpus learned from and the corpus judged"))
            if inputs.pairs["asked"]
            else ""
        ),
        "Knowing the voice": card_figures.known_voices(inputs.known_voices, evaluation.cross_corpus),
        "Which is better": card_figures.comparisons(evaluation),
        f"Emotion by emotion: {chosen}": f"**{chosen}** has the highest UAR on validation; the rest is about it.\n\n"
        + card_figures.emotions(evaluation, chosen)
        + "\n"
        + _picture(inputs, f"confusion_{chosen}", f"Confusion matrices of {chosen}")
        + "\n"
        + _picture(inputs, "class_recall", "Recall of each emotion by each predictor"),
        "Where it fails": f"On {ROLE_TITLES[hardest]}.\n\n" + card_figures.failures(report),
        "Corpus by corpus": card_figures.corpora(evaluation, chosen),
        **({"Language by language": text} if (text := card_figures.languages(evaluation, chosen)) else {}),
        "Fairness by gender": card_figures.fairness(evaluation, chosen)
        + "\n"
        + _picture(inputs, "groups", "UAR by corpus and gender"),
        **({"Listeners": text} if (text := card_data.listeners(inputs.agreement)) else {}),
        "Confidence": card_figures.confidence(evaluation)
        + "\n"
        + card_origin.confidence(evaluation)
        + "\n"
        + _picture(inputs, "reliability", "Accuracy against confidence")
        + "\n"
        + _picture(inputs, "risk_coverage", "Accuracy when the least sure clips go unanswered"),
        "Robustness": ROBUSTNESS,
        "Voice gate": card_gate.voice_gate(inputs.gate),
        "Data": card_data.data(inputs.provenance, inputs.clips),
        "Split": card_data.roles(inputs.split, inputs.clips, evaluation.emotions),
        "Limits": _limits(set(inputs.split["corpus"]), evaluation.emotions),
        "How to make it again": _reproduce(inputs),
    }
    head = "# DeepEmo: model card\n\nMade by `python -m stages.evaluate`: no figure of the models is typed by hand.\n\n"
    body = "\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return head + card_data.banner(inputs.split) + "\n" + body


def _picture(inputs: CardInputs, name: str, alt_text: str) -> str:
    return f"![{alt_text}]({inputs.pictures}/{name}.png)\n"


def _all_models(inputs: CardInputs) -> str:
    return "both models" if len(inputs.models) == 2 else "all models"


def _models(inputs: CardInputs) -> str:
    """The features, and one bullet per predictor, which its family writes."""
    predictors, emotions = list(inputs.evaluation.confidences), inputs.evaluation.emotions
    count = NUMBERS[len(predictors)] if len(predictors) < len(NUMBERS) else str(len(predictors))
    named = "predictor names" if len(predictors) == 1 else "predictors name"
    words = {name: load_family(name).describe(about, inputs.params) for name, about in inputs.models.items()}
    if ENSEMBLE in predictors:
        weights = ", ".join(f"{name} {weight:.0%}" for name, weight in inputs.evaluation.ensemble_weights.items())
        words[ENSEMBLE] = (
            f"the weighted mean of {_all_models(inputs)}' probabilities, weights fitted on validation:\n  {weights}."
        )
    bullets = "\n".join(f"- **{name}**: {text}" for name, text in words.items())
    return f"""\
{_features(inputs.params.featurize)} {count} {named} one of {len(emotions)}
emotions: {", ".join(emotions)}.

{bullets}
"""


def _features(features: FeatureParams) -> str:
    bands = f"{features.mel_bands} mel bands" if features.kind == "mel" else "the bins of its Fourier transform"
    trimmed = "" if features.trim_below_db is None else "freed of quiet ends, "
    return f"""\
A recording is mixed to mono, resampled to {features.sample_rate_hz} Hz, {trimmed}cut or padded to
{features.clip_seconds:g} s and turned into a spectrogram of {bands}, one every
{1000 * features.hop_seconds:g} ms, in decibels below its peak."""


def _limits(corpora: Set[str], emotions: Emotions) -> str:
    """What the results do not show.

    Args:
        corpora: names of the corpora of the run.
        emotions: of the run.
    """
    limits = LIMITS.format(count=how_many(emotions))
    return f"{LABELS}{CREMA_D_LISTENERS if 'crema_d' in corpora else '.'}\n{limits}"


def _reproduce(inputs: CardInputs) -> str:
    params = recorded(inputs.params)
    versions = table(("package", "version"), inputs.versions.items())
    folder = ", `gate.non_speech_dir` at recordings without speech" if inputs.gate["non_speech"] else ""
    return f"""\
Code: the last commit that changed it is {inputs.revision}. Check it out, put these values into `params.yaml`, point
`download.source_dir` at the corpora that cannot be fetched without registration{folder}, and run
`make repro`. Every random draw comes from seed {inputs.params.seed}; the same recordings and packages give
the same bytes on any x86-64 processor with AVX2 and FMA, with however many cores.

{versions}

```yaml
{write_yaml(params).strip()}
```
"""
