"""Make the synthetic corpus: every speaker says every sentence in every emotion, and a few planted files are bad.

A clip depends on the seed and on its own speaker, sentence, emotion and take alone: a larger corpus holds the clips of
a smaller one, byte for byte, and the order of making is of no effect.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.corpora.espeak import Espeak
from deepemo.corpora.prosody import Speaker, cast, deliver, request
from deepemo.corpora.studio import Pcm16, record, to_pcm16, to_wav
from deepemo.emotions import EMOTIONS

CODES = {emotion: code for code, emotion in CORPUS.emotions.items()}

# What is wrong with each planted file. They exist in a corpus of any size.
PLANTED = {
    "spk01/spk01_s01_sad_t90.wav": "silent",
    "spk01/spk01_s01_ang_t91.wav": "truncated",
    "spk01/spk01_s01_hap_t92.wav": "not sound",
    "spk01/spk01_s01_hap_t93.wav": "same sound as spk01_s01_fea_t93, another emotion",
    "spk01/spk01_s01_fea_t93.wav": "same sound as spk01_s01_hap_t93, another emotion",
    "spk02/spk02_s01_neu_t94.wav": "same sound as spk02_s01_neu_t1, same emotion",
    "spk02/spk02_s1_neutral_95.wav": "name outside the pattern",
    "spk02/spk02_s01_cal_t96.wav": "emotion outside the seven",
    "spk02/spk02_s01_ang_t97.wav": "clipped",
    "spk02/spk02_s01_sur_t98.wav": "too short",
}

_DATE = (2023, 6, 16, 0, 0, 0)


def generate(target: Path, *, speakers: int, sentences: int, takes: int, seed: int) -> dict[str, int]:
    """Write the corpus as a zip of WAV files, the same bytes for the same arguments.

    Args:
        target: the zip to write; replaced only when the new one is whole.
        speakers: 2 to 16.
        sentences: 1 to 16.
        takes: of each sentence in each emotion by each speaker.
        seed: of every random draw.

    Returns:
        Counts of `clips`, `planted` files and `bytes` of the zip.

    Raises:
        EspeakError: espeak-ng failed.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive, Espeak() as espeak:
            clips = 0
            for speaker in cast(speakers, seed=seed):
                for member, wav in _clips(espeak, speaker, sentences=sentences, takes=takes, seed=seed):
                    _add(archive, member, wav)
                    clips += 1
            for member, wav in _planted(espeak, seed=seed):
                _add(archive, member, wav)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return {"clips": clips, "planted": len(PLANTED), "bytes": target.stat().st_size}


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


def _planted(espeak: Espeak, *, seed: int) -> Iterator[tuple[str, bytes]]:
    first, second = cast(2, seed=seed)

    def take(speaker: Speaker, emotion: str, number: int) -> Pcm16:
        return _perform(espeak, speaker, sentence="s01", emotion=emotion, take=number, seed=seed)

    angry = to_wav(take(first, "angry", 91), first.rate_hz)
    doubtful = to_wav(take(first, "fear", 93), first.rate_hz)
    made = {
        "sad_t90": to_wav(np.zeros((2 * first.rate_hz, 1), np.int16), first.rate_hz),
        "ang_t91": angry[: len(angry) // 3],
        "hap_t92": b"This is not a recording but a line of text under the name of one.\n",
        "hap_t93": doubtful,
        "fea_t93": doubtful,
        "neu_t94": to_wav(take(second, "neutral", 1), second.rate_hz),
        "neutral_95": to_wav(take(second, "neutral", 95), second.rate_hz),
        "cal_t96": to_wav(take(second, "neutral", 96), second.rate_hz),
        "ang_t97": to_wav(to_pcm16(take(second, "angry", 97) / 32768 * 30), second.rate_hz),
        "sur_t98": to_wav(take(second, "surprise", 98)[second.rate_hz // 2 :][: second.rate_hz // 10], second.rate_hz),
    }
    for member in PLANTED:
        yield member, made["_".join(Path(member).stem.split("_")[2:])]


def _add(archive: zipfile.ZipFile, member: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(member, date_time=_DATE)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, content)
