"""Stage `gate`: how well the second model tells speech from everything else."""

import json
from pathlib import Path

from tqdm import tqdm

from deepemo.corpora.raw import RawCorpus
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.params import Params
from deepemo.vad.error_rates import measure, summarize
from deepemo.vad.gate import VoiceGate
from deepemo.vad.trials import choose_clips, made_sound_trials, non_speech_trials, speech_trials
from stages._run import stage_main


def main(params: Params) -> str:
    """Write metrics/gate.json."""
    section = params.gate
    gate = VoiceGate(
        threshold=section.voice_threshold,
        min_share=section.min_voice_share,
        min_seconds=section.min_voice_seconds,
    )
    clips = choose_clips(good_clips(read_clips(Path("data/clips.csv"))), section.clips, seed=params.seed)
    archives = {corpus: RawCorpus(Path(f"data/raw/{corpus}.zip")) for corpus in clips["corpus"].unique()}
    trials = tqdm(speech_trials(clips, archives, seed=params.seed), desc="gate", unit="trial", disable=None)
    speech = measure(gate, trials, is_speech=True)
    folder = section.non_speech_dir
    non_speech = measure(gate, non_speech_trials(Path(folder)), is_speech=False) if folder else None
    made_sounds = measure(gate, made_sound_trials(section.made_sounds, seed=params.seed), is_speech=False)
    Path("metrics").mkdir(exist_ok=True)
    content = json.dumps(summarize(gate, speech, non_speech, made_sounds), indent=2)
    Path("metrics/gate.json").write_text(content + "\n", encoding="utf-8")
    others = [("made sounds", made_sounds), *([("non-speech", non_speech)] if non_speech else [])]
    accepted = ", ".join(f"{figures.total.share:.1%} of {name}" for name, figures in others)
    return f"gate: {speech.total.share:.1%} of speech rejected, {accepted} accepted"


if __name__ == "__main__":
    stage_main(main)
