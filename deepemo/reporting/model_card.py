"""The model card `reports/model_card.md`, made anew at every evaluation (Mitchell et al., "Model Cards", 2019)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deepemo.learning.evaluation import UNSEEN, Evaluation
from deepemo.reporting import card_data, card_figures, card_gate, card_words
from deepemo.reporting.markdown import table
from deepemo.yaml12 import write_yaml

# What changes no figure, and where the recordings lie on some machine.
LEFT_OUT = {"download": ("source_dir", "connections"), "featurize": ("workers",), "gate": ("non_speech_dir",)}
LEFT_OUT_SECTIONS = ("eda",)


@dataclass(frozen=True, kw_only=True)
class CardInputs:
    """Everything the card tells of.

    Attributes:
        evaluation: the figures.
        split: the split table.
        clips: the clip table, quarantined clips included.
        provenance: content of each data/raw/<corpus>.json.
        models: content of each model's model.json, by its name.
        gate: content of metrics/gate.json.
        params: content of params.yaml.
        revision: of the code, see `lineage.git_revision`.
        versions: of packages, by name.
        pictures: folder of the pictures, relative to the card.
    """

    evaluation: Evaluation
    split: pd.DataFrame
    clips: pd.DataFrame
    provenance: Sequence[Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    gate: Mapping[str, Any]
    params: Mapping[str, Any]
    revision: str
    versions: Mapping[str, str]
    pictures: str


def _reproduce(inputs: CardInputs) -> str:
    params = {
        section: {key: value for key, value in values.items() if key not in LEFT_OUT.get(section, ())}
        if isinstance(values, Mapping)
        else values
        for section, values in inputs.params.items()
        if section not in LEFT_OUT_SECTIONS
    }
    versions = table(("package", "version"), inputs.versions.items())
    folder = ", `gate.non_speech_dir` at recordings without speech" if inputs.gate["non_speech"] else ""
    return f"""\
Code: the last commit that changed it is {inputs.revision}. Check it out, put these values into `params.yaml`, point
`download.source_dir` at the corpora that cannot be fetched without registration{folder}, and run
`make repro`. Every random draw comes from seed {inputs.params["seed"]}; the same recordings, packages, kind of
processor and number of its cores give the same bytes.

{versions}

```yaml
{write_yaml(params).strip()}
```
"""


def _picture(inputs: CardInputs, name: str, says: str) -> str:
    return f"![{says}]({inputs.pictures}/{name}.png)\n"


def write_card(inputs: CardInputs) -> str:
    """The card, as Markdown."""
    evaluation = inputs.evaluation
    chosen = evaluation.chosen
    hardest = UNSEEN if UNSEEN in evaluation.roles else next(iter(evaluation.roles))
    report = evaluation.roles[hardest].predictors[chosen]
    curves = _picture(inputs, "learning_curves", "Loss and scores of both models over their epochs")
    sections = {
        "What the models are": card_data.models(inputs.models, inputs.params) + "\n" + curves,
        "Use": card_words.USE,
        "How good they are": card_figures.headlines(evaluation)
        + "\n"
        + card_figures.intervals(evaluation)
        + (("\n" + _picture(inputs, "gap", "UAR on heard and never heard speakers")) if evaluation.gaps else ""),
        "Which is better": card_figures.comparisons(evaluation),
        f"Emotion by emotion: {chosen}": f"**{chosen}** has the highest UAR on validation; the rest is about it.\n\n"
        + card_figures.emotions(evaluation, chosen)
        + "\n"
        + _picture(inputs, f"confusion_{chosen}", f"Confusion matrices of {chosen}")
        + "\n"
        + _picture(inputs, "class_recall", "Recall of each emotion by each predictor"),
        "Where it fails": f"On {card_figures.ROLE_TITLES[hardest].lower()}.\n\n" + card_figures.failures(report),
        "Corpus by corpus": card_figures.corpora(evaluation, chosen),
        "Fairness by gender": card_figures.fairness(evaluation, chosen)
        + "\n"
        + _picture(inputs, "groups", "UAR by corpus and gender"),
        "Confidence": card_figures.confidence(evaluation)
        + "\n"
        + _picture(inputs, "reliability", "Accuracy against confidence")
        + "\n"
        + _picture(inputs, "risk_coverage", "Accuracy when the least sure clips go unanswered"),
        "Voice gate": card_gate.gate(inputs.gate),
        "Data": card_data.data(inputs.provenance, inputs.clips),
        "Split": card_data.roles(inputs.split, inputs.clips),
        "Limits": card_words.limits(set(inputs.split["corpus"])),
        "How to make it again": _reproduce(inputs),
    }
    head = "# DeepEmo: model card\n\nMade by `python -m stages.evaluate`: no figure of the models is typed by hand.\n\n"
    body = "\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return head + card_data.banner(inputs.split) + "\n" + body
