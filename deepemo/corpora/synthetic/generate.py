"""Make the synthetic corpus: every speaker says every sentence in every emotion, and a few planted files are bad.

A clip depends on the seed and on its own speaker, sentence, emotion and take alone: a larger corpus holds the clips of
a smaller one, byte for byte, and the order of making is of no effect.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.corpora.synthetic.channel import Pcm16, record, to_pcm16, to_wav
from deepemo.corpora.synthetic.espeak import Espeak
from deepemo.corpora.synthetic.prosody import VOICES, Speaker, cast, deliver, request
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

CODES = {emotion: code for code, emotion in CORPUS.emotions.items()}

# Bad files in a corpus of any size, and the reason for which validation must quarantine each. Their takes are numbered
# from 90. A recording that two of them share contradicts itself; one copies a good clip.
PLANTED = {
    "spk01/spk01_s01_sad_t90.wav": "silent",
    "spk01/spk01_s01_ang_t91.wav": "truncated",
    "spk01/spk01_s01_hap_t92.wav": "undecodable",
    "spk01/spk01_s01_hap_t93.wav": "contradicting_labels",
    "spk01/spk01_s01_fea_t93.wav": "contradicting_labels",
    "spk02/spk02_s01_neu_t94.wav": "duplicate_content",
    "spk02/spk02_s1_neutral_95.wav": "unknown_name",
    "spk02/spk02_s01_cal_t96.wav": "other_emotion",
    "spk02/spk02_s01_ang_t97.wav": "clipped",
    "spk02/spk02_s01_sur_t98.wav": "too_short",
}
MOST_TAKES = 89
OVERDRIVE = 30.0

_DATE = (2023, 6, 16, 0, 0, 0)


def generate(target: Path, *, speakers: int, sentences: int, takes: int, seed: int) -> dict[str, int]:
    """Write the corpus as a zip of WAV files, the same bytes for the same arguments.

    Args:
        target: the zip to write; replaced only when the new one is whole.
        speakers: 2 to 16.
        sentences: 1 to 16.
        takes: of each sentence in each emotion by each speaker, 1 to 89.
        seed: of every random draw.

    Returns:
        Counts of `clips`, `planted` files and `bytes` of the zip.

    Raises:
        InputError: a size is out of its range.
        EspeakError: espeak-ng failed.
    """
    _check_size("speakers", speakers, 2, len(VOICES))
    _check_size("sentences", sentences, 1, len(CORPUS.sentences))
    _check_size("takes", takes, 1, MOST_TAKES)
    partial = target.with_name(target.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive, Espeak() as espeak:
            clips = 0
            for speaker in cast(speakers, seed=seed):
                for member, wav in _clips(espeak, speaker, sentences=sentences, takes=takes, seed=seed):
                    _add(archive, member, wav)
                    clips += 1
            for member, wav in _planted(espeak, seed=seed).items():
                _add(archive, member, wav)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return {"clips": clips, "planted": len(PLANTED), "bytes": target.stat().st_size}


def _check_size(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise InputError(f"download.synthetic.{what}: found {value}, expected {least} to {most}")


def _clips(espeak: Espeak, speaker: Speaker, *, sentences: int, takes: int, seed: int) -> Iterator[tuple[str, bytes]]:
    for sentence in list(CORPUS.sentences)[:sentences]:
        for emotion in EMOTIONS:
            for take in range(1, takes + 1):
                member = f"{speaker.code}/{speaker.code}_{sentence}_{CODES[emotion]}_t{take}.wav"
                samples = _perform(espeak, speaker, sentence=sentence, emotion=emotion, take=take, seed=seed)
                yield member, to_wav(samples, speaker.rate_hz)


def _perform(espeak: Espeak, speaker: Speaker, *, sentence: str, emotion: str, take: int, seed: int) -> Pcm16:
    """One take as recorded: int16 [frames, channels]."""
    rng = np.random.default_rng([seed, int(speaker.code[3:]), int(sentence[1:]), EMOTIONS.index(emotion), take])
    prosody = deliver(speaker, emotion, rng)
    samples = espeak.speak(request(speaker, CORPUS.sentences[sentence], prosody, rng))
    return record(samples, speaker, prosody, rng)


def _planted(espeak: Espeak, *, seed: int) -> dict[str, bytes]:
    first, second = cast(2, seed=seed)

    def take(speaker: Speaker, emotion: str, number: int) -> Pcm16:
        return _perform(espeak, speaker, sentence="s01", emotion=emotion, take=number, seed=seed)

    silence = np.zeros((2 * first.rate_hz, 1), np.int16)
    cut_off = to_wav(take(first, "angry", 91), first.rate_hz)
    contradiction = to_wav(take(first, "fear", 93), first.rate_hz)
    overdriven = to_pcm16(take(second, "angry", 97) / 32768 * OVERDRIVE)
    snippet = take(second, "surprise", 98)[second.rate_hz // 2 :][: second.rate_hz // 10]
    return {
        "spk01/spk01_s01_sad_t90.wav": to_wav(silence, first.rate_hz),
        "spk01/spk01_s01_ang_t91.wav": cut_off[: len(cut_off) // 3],
        "spk01/spk01_s01_hap_t92.wav": b"A line of text under the name of a recording.\n",
        "spk01/spk01_s01_hap_t93.wav": contradiction,
        "spk01/spk01_s01_fea_t93.wav": contradiction,
        "spk02/spk02_s01_neu_t94.wav": to_wav(take(second, "neutral", 1), second.rate_hz),
        "spk02/spk02_s1_neutral_95.wav": to_wav(take(second, "neutral", 95), second.rate_hz),
        "spk02/spk02_s01_cal_t96.wav": to_wav(take(second, "neutral", 96), second.rate_hz),
        "spk02/spk02_s01_ang_t97.wav": to_wav(overdriven, second.rate_hz),
        "spk02/spk02_s01_sur_t98.wav": to_wav(snippet, second.rate_hz),
    }


def _add(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(member, date_time=_DATE)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, content)
