"""Stage `cross_corpus`: how good models are on a corpus never heard; each corpus in turn is left out of training."""

import shutil

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import read_split
from deepemo.evaluation.cross_corpus import (
    judged_families,
    learned_corpora,
    leave_out,
    summarize,
    why_not,
    write_left_out,
)
from deepemo.evaluation.predictions import LEFT_OUT
from deepemo.files import CLIPS, METRICS, RESUME, SPLIT, write_json
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write the predictions of models for a corpus that they never heard, and their figures."""
    split, clips = read_split(SPLIT, params.emotions), good_clips(read_clips(CLIPS))
    resume = RESUME / "cross_corpus"
    refused = {corpus: words for corpus in learned_corpora(split) if (words := why_not(split, corpus, params.emotions))}
    found = [
        leave_out(params, split, clips, corpus, resume=resume)
        for corpus in learned_corpora(split)
        if corpus not in refused
    ]
    write_left_out(LEFT_OUT, found, params.emotions)
    section = params.cross_corpus
    families = [family.name for family in judged_families(section)]
    summary = summarize(found, refused, families, samples=section.bootstrap_samples, seed=params.seed)
    write_json(METRICS / "cross_corpus.json", summary)
    shutil.rmtree(resume, ignore_errors=True)
    if not found:
        return f"cross_corpus: {summary['reason']}"
    means = ", ".join(f"{name} {mean['uar']:.1%}" for name, mean in summary["mean"].items())
    return f"cross_corpus: mean UAR over {len(found)} corpora, each left out in turn: {means}"


if __name__ == "__main__":
    stage_main(main)
