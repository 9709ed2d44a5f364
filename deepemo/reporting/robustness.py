"""The report `reports/robustness.md`: the predictors in adverse conditions."""

from collections.abc import Mapping

from deepemo.evaluation.conditions import CLEAN, label
from deepemo.evaluation.report import SEEN, UNSEEN, UNSEEN_CORPUS
from deepemo.evaluation.robustness import ConditionScores, RobustnessReport
from deepemo.reporting.markdown import estimate, per_cent, points, table

_WHOSE = {
    UNSEEN: "speakers that were not in training",
    UNSEEN_CORPUS: "a corpus that was not in training, because the run keeps no other speakers apart",
    SEEN: "speakers that **were** in training, because the run keeps no others apart: of other voices, expect less",
}


def write_report(report: RobustnessReport, explanations: Mapping[str, str], *, default: str, picture: str) -> str:
    """The report as Markdown.

    Args:
        report: the figures.
        explanations: what each condition is, in words.
        default: the predictor that answers by default.
        picture: address of the picture, as seen from the report.
    """
    others = [name for name in report.scores if name != default]
    worst = report.worst(default)
    rows = [
        (
            label(condition),
            estimate(report.scores[default][condition].accuracy),
            estimate(report.scores[default][condition].uar),
            "-" if condition == CLEAN else points(report.scores[default][condition].uar_change),
            *(_both(report.scores[name][condition]) for name in others),
        )
        for condition in report.conditions
    ]
    header = ("condition", "accuracy", "UAR", "change of UAR in points", *(f"{name}: accuracy, UAR" for name in others))
    meanings = "\n".join(f"- {label(name)}: {text}" for name, text in explanations.items())
    return f"""\
# DeepEmo: robustness

{report.clips} clips of {report.speakers} speakers, the same in every condition; they are of {_WHOSE[report.role]}.
`{default}`, which answers by default, loses most in *{label(worst)}*:
{-100 * report.scores[default][worst].uar_change.value:.1f} points of UAR.

In brackets 95 % intervals, resampled by {report.resampled_by}; changes are paired, clip by clip.

{table(header, rows)}

![UAR by condition and predictor]({picture})

{meanings}
"""


def _both(scores: ConditionScores) -> str:
    return f"{per_cent(scores.accuracy.value)}, {per_cent(scores.uar.value)}"
