"""Stage `gate`, run as `python -m stages.gate <family>`: how well the voice gate tells speech from other sounds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deepemo.corpora.archive import Archive
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.errors import InputError
from deepemo.files import CLIPS, METRICS, MODELS, RAW, write_json
from deepemo.models.family import SpeechJudge
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params
from deepemo.training.seeding import seed_everything
from deepemo.vad.error_rates import SecondOpinion, measure_error_rates, summarize
from deepemo.vad.trials import CONDITIONS, NonSpeech, Trial, choose_clips, made_sound_trials, speech_trials
from stages._run import family_argument, stage_main


def main(params: Params, family: str) -> str:
    """Write metrics/gate.json.

    Args:
        params: of the run.
        family: its network gives the second opinion.

    Raises:
        InputError: the network does not judge what is speech.
    """
    gate, seed = params.gate, params.seed
    seed_everything(seed)
    second = _second_opinion(family)
    clips = choose_clips(good_clips(read_clips(CLIPS)), gate.clips, seed=seed)
    archives = {corpus: Archive(RAW / f"{corpus}.zip") for corpus in clips["corpus"].unique()}
    trials = speech_trials(clips, archives, seed=seed)
    total = len(clips) * CONDITIONS
    speech = measure_error_rates(gate, trials, is_speech=True, second=second, name="gate_speech", total=total)
    folder = gate.non_speech_dir
    recordings = NonSpeech(Path(folder)) if folder else None
    non_speech = None
    if recordings:
        non_speech = measure_error_rates(gate, recordings, is_speech=False, second=second, name="gate_non_speech")
    left_out = recordings.left_out if recordings else []
    made_sounds = measure_error_rates(
        gate, made_sound_trials(gate.made_sounds, seed=seed), is_speech=False, second=second, name="gate_made_sounds"
    )
    measured = summarize(
        gate, speech, non_speech, made_sounds, second=family if second else None, left_out=len(left_out)
    )
    write_json(METRICS / "gate.json", measured)
    others = [("made sounds", made_sounds), *([("non-speech", non_speech)] if non_speech else [])]
    accepted = ", ".join(f"{rates.total.rate:.1%} of {name}" for name, rates in others)
    without = f"; {len(left_out)} unreadable files left out, such as {left_out[0]}" if left_out else ""
    return f"gate: {speech.total.rate:.1%} of speech rejected, {accepted} accepted{without}"


def _second_opinion(family: str) -> SecondOpinion | None:
    """What a trained network says of trials; None if it has no opinion."""
    model = load_family(family).load(MODELS / family)
    if not isinstance(model, SpeechJudge):
        raise InputError(f"{family}: found a network that does not judge what is speech, expected one that does")

    def ask(trials: Sequence[Trial]) -> npt.NDArray[np.bool_]:
        clips = np.stack([model.front_end(trial.samples, trial.rate_hz) for trial in trials])
        return model.is_speech(clips, model.components_of_clips(clips))

    return ask if model.has_opinion else None


if __name__ == "__main__":
    stage_main(main, family_argument("gate", family_names()))
