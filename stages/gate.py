"""Stage `gate`: how well the voice gate tells speech from other sounds."""

from pathlib import Path

from deepemo.corpora.archive import Archive
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.files import CLIPS, METRICS, RAW, write_json
from deepemo.params import Params
from deepemo.vad.error_rates import measure_error_rates, summarize
from deepemo.vad.trials import CONDITIONS, NonSpeech, choose_clips, made_sound_trials, speech_trials
from stages._run import stage_main


def main(params: Params) -> str:
    """Write metrics/gate.json."""
    gate, seed = params.gate, params.seed
    clips = choose_clips(good_clips(read_clips(CLIPS)), gate.clips, seed=seed)
    archives = {corpus: Archive(RAW / f"{corpus}.zip") for corpus in clips["corpus"].unique()}
    trials = speech_trials(clips, archives, seed=seed)
    speech = measure_error_rates(gate, trials, is_speech=True, name="gate_speech", total=len(clips) * CONDITIONS)
    folder = gate.non_speech_dir
    recordings = NonSpeech(Path(folder)) if folder else None
    non_speech = measure_error_rates(gate, recordings, is_speech=False, name="gate_non_speech") if recordings else None
    left_out = recordings.left_out if recordings else []
    made_sounds = measure_error_rates(
        gate, made_sound_trials(gate.made_sounds, seed=seed), is_speech=False, name="gate_made_sounds"
    )
    write_json(METRICS / "gate.json", summarize(gate, speech, non_speech, made_sounds, left_out=len(left_out)))
    others = [("made sounds", made_sounds), *([("non-speech", non_speech)] if non_speech else [])]
    accepted = ", ".join(f"{rates.total.rate:.1%} of {name}" for name, rates in others)
    without = f"; {len(left_out)} unreadable files left out, such as {left_out[0]}" if left_out else ""
    return f"gate: {speech.total.rate:.1%} of speech rejected, {accepted} accepted{without}"


if __name__ == "__main__":
    stage_main(main)
