"""Stage `gate`: how well the second model tells speech from everything else."""

import json
from pathlib import Path

from tqdm import tqdm

from deepemo.audio.voice import VoiceGate
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.raw import RawCorpus
from deepemo.learning.gate import measure, summarize
from deepemo.learning.gate_trials import NonSpeech, choose_clips, made_sound_trials, speech_trials
from deepemo.params import Params
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
    sounds = NonSpeech(Path(folder)) if folder else None
    non_speech = measure(gate, sounds, is_speech=False) if sounds else None
    left_out = sounds.left_out if sounds else []
    made_sounds = measure(gate, made_sound_trials(section.made_sounds, seed=params.seed), is_speech=False)
    Path("metrics").mkdir(exist_ok=True)
    figures = summarize(gate, speech, non_speech, made_sounds, left_out=len(left_out))
    content = json.dumps(figures, indent=2)
    Path("metrics/gate.json").write_text(content + "\n", encoding="utf-8")
    others = [("made sounds", made_sounds), *([("non-speech", non_speech)] if non_speech else [])]
    accepted = ", ".join(f"{found.total.share:.1%} of {name}" for name, found in others)
    without = f"; {len(left_out)} unreadable files left out, such as {left_out[0]}" if left_out else ""
    return f"gate: {speech.total.share:.1%} of speech rejected, {accepted} accepted{without}"


if __name__ == "__main__":
    stage_main(main)
