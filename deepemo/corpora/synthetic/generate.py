"""Generate the synthetic corpus: every speaker says every sentence in every emotion; a few files are bad on purpose.

A clip depends only on the seed and on its speaker, sentence, emotion and take. A larger corpus therefore contains the
clips of a smaller one, byte for byte. The order in which clips are made does not matter.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.corpora.synthetic.channel import Pcm16Array, record, to_pcm16, to_wav
from deepemo.corpora.synthetic.espeak import Espeak
from deepemo.corpora.synthetic.prosody import Speaker, cast, deliver, request
from deepemo.emotions import EMOTIONS
from deepemo.files import written_whole
from deepemo.params import Synthetic

CODES = {emotion: code for code, emotion in CORPUS.emotions.items()}

# The bad files, each with the reason for which validation must quarantine it. They are the same for any size of the
# corpus. Their takes are numbered from 90, above all others. Two have the same samples, and one copies a good clip.
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
OVERDRIVE = 30.0

_DATE = (2023, 6, 16, 0, 0, 0)


def generate(target: Path, size: Synthetic, *, seed: int) -> None:
    """Write the corpus as a zip of WAV files, the same bytes for the same arguments.

    Args:
        target: the zip; replaced only when the new one is complete.
        size: numbers of speakers, sentences and takes.
        seed: of every random draw.

    Raises:
        RuntimeError: espeak-ng failed.
    """
    with (
        written_whole(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        Espeak() as espeak,
    ):
        for speaker in cast(size.speakers, seed=seed):
            for member, wav in _clips(espeak, speaker, size, seed=seed):
                _add(archive, member, wav)
        for member, wav in _planted(espeak, seed=seed).items():
            _add(archive, member, wav)


def _clips(espeak: Espeak, speaker: Speaker, size: Synthetic, *, seed: int) -> Iterator[tuple[str, bytes]]:
    for sentence in list(CORPUS.sentences)[: size.sentences]:
        for emotion in EMOTIONS:
            for take in range(1, size.takes + 1):
                member = f"{speaker.code}/{speaker.code}_{sentence}_{CODES[emotion]}_t{take}.wav"
                samples = _perform(espeak, speaker, sentence=sentence, emotion=emotion, take=take, seed=seed)
                yield member, to_wav(samples, speaker.rate_hz)


def _perform(espeak: Espeak, speaker: Speaker, *, sentence: str, emotion: str, take: int, seed: int) -> Pcm16Array:
    """One take as recorded: int16 [frames, channels]."""
    rng = np.random.default_rng([seed, int(speaker.code[3:]), int(sentence[1:]), EMOTIONS.index(emotion), take])
    prosody = deliver(speaker, emotion, rng)
    samples = espeak.speak(request(speaker, CORPUS.sentences[sentence], prosody, rng))
    return record(samples, speaker, prosody, rng)


def _planted(espeak: Espeak, *, seed: int) -> dict[str, bytes]:
    first, second = cast(2, seed=seed)

    def take(speaker: Speaker, emotion: str, number: int) -> Pcm16Array:
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
