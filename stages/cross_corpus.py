"""Stage `cross_corpus`: how good models are on a corpus that they never heard.

Each corpus in turn is left out of training. In addition, models learn from each corpus alone and are tested on all.
"""

import shutil

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import read_split
from deepemo.evaluation.cross_corpus import summarize, write_left_out
from deepemo.evaluation.other_corpora import ask_about_corpora
from deepemo.evaluation.pairs import uar_of_pairs
from deepemo.evaluation.predictions import LEFT_OUT
from deepemo.evaluation.siblings import judged_families
from deepemo.files import CLIPS, METRICS, RESUME, SPLIT, write_json
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write the predictions of models for a corpus that they never heard, and their figures."""
    split, clips = read_split(SPLIT, params.emotions), good_clips(read_clips(CLIPS))
    section, resume = params.cross_corpus, RESUME / "cross_corpus"
    found, refused, pairs = ask_about_corpora(params, split, clips, resume=resume)
    write_left_out(LEFT_OUT, found, params.emotions)
    families = [family.name for family in judged_families(section)]
    summary = summarize(found, refused, families, samples=section.bootstrap_samples, seed=params.seed)
    write_json(METRICS / "cross_corpus_pairs.json", pairs)
    write_json(METRICS / "cross_corpus.json", {**summary, "pairs": uar_of_pairs(pairs)})
    shutil.rmtree(resume, ignore_errors=True)
    if not found:
        return f"cross_corpus: {summary['reason']}"
    means = ", ".join(f"{name} {mean['uar']:.1%}" for name, mean in summary["mean"].items())
    return f"cross_corpus: mean UAR over {len(found)} corpora, each left out in turn: {means}"


if __name__ == "__main__":
    stage_main(main)
