"""Stage `cross_corpus`: how good models are on a corpus never heard.

Each corpus in turn is left out of training, and each corpus alone trains models that every corpus judges.
"""

import shutil
from functools import partial

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import read_split
from deepemo.evaluation.cross_corpus import learned_corpora, leave_out, summarize, why_not, write_left_out
from deepemo.evaluation.pairs import judge_pairs, uar_of_pairs
from deepemo.evaluation.predictions import LEFT_OUT
from deepemo.evaluation.siblings import for_each_corpus, judged_families
from deepemo.files import CLIPS, METRICS, RESUME, SPLIT, write_json
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write the predictions of models for a corpus that they never heard, and their figures."""
    split, clips = read_split(SPLIT, params.emotions), good_clips(read_clips(CLIPS))
    section, corpora, resume = params.cross_corpus, learned_corpora(split), RESUME / "cross_corpus"
    refused = {corpus: words for corpus in corpora if (words := why_not(split, corpus, params.emotions))}
    asked = [corpus for corpus in corpora if corpus not in refused]
    work = partial(leave_out, params, split, clips, resume=resume / "left_out")
    found = list(for_each_corpus(work, asked, workers=section.workers, seed=params.seed))
    write_left_out(LEFT_OUT, found, params.emotions)
    families = [family.name for family in judged_families(section)]
    summary = summarize(found, refused, families, samples=section.bootstrap_samples, seed=params.seed)
    pairs = judge_pairs(params, split, clips, resume=resume / "alone")
    write_json(METRICS / "cross_corpus_pairs.json", pairs)
    write_json(METRICS / "cross_corpus.json", {**summary, "pairs": uar_of_pairs(pairs)})
    shutil.rmtree(resume, ignore_errors=True)
    if not found:
        return f"cross_corpus: {summary['reason']}"
    means = ", ".join(f"{name} {mean['uar']:.1%}" for name, mean in summary["mean"].items())
    return f"cross_corpus: mean UAR over {len(found)} corpora, each left out in turn: {means}"


if __name__ == "__main__":
    stage_main(main)
