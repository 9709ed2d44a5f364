"""The speakers of the synthetic corpus, and how each emotion changes their voices.

The directions follow two reviews of how voices carry emotion: Juslin & Laukka 2003 (Psychological Bulletin 129:770)
and Scherer 2003 (Speech Communication 40:227). Disgust and surprise, on which both say little, follow Murray & Arnott
1993 (Journal of the Acoustical Society of America 93:1097). The amounts are our own, chosen to let the classes overlap.
"""

from dataclasses import dataclass, fields

import numpy as np

from deepemo.corpora.synthetic.espeak import PITCH_STEPS_A_SEMITONE, Request


@dataclass(frozen=True, kw_only=True)
class Prosody:
    """How an utterance differs from the speaker's neutral voice.

    Attributes:
        pitch_semitones: mean pitch.
        pitch_range: width of the melody, as log2 of a factor.
        rate: words per minute, as log2 of a factor.
        word_gap: pause between words, in units of 10 ms.
        level_db: loudness.
        slope_db: loudness at the end relative to the start.
        tilt_db: energy above 1 kHz relative to the energy below.
        breath_db: breath noise relative to the voice.
        tremor: depth of a modulation of pitch and loudness at 5 to 8 Hz; 1.0 is strong.
        rise: probability that the melody ends as in a question.
    """

    pitch_semitones: float
    pitch_range: float
    rate: float
    word_gap: float
    level_db: float
    slope_db: float
    tilt_db: float
    breath_db: float
    tremor: float
    rise: float


CUES = tuple(field.name for field in fields(Prosody))


def _prosody(*values: float) -> Prosody:
    return Prosody(**dict(zip(CUES, values, strict=True)))


NEUTRAL = _prosody(0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, -34.0, 0.0, 0.0)

#                        pitch range  rate   gap level slope tilt breath tremor rise
EMOTION_PROSODY = {
    "angry": _prosody(     2.0,  0.7,  0.22,  0.0,  7.0,  2.0,  7.0, -36.0, 0.30, 0.0),
    "disgust": _prosody(  -1.2,  0.2, -0.26,  2.5, -1.0, -1.0,  1.0, -24.0, 0.10, 0.0),
    "fear": _prosody(      3.1, -0.6,  0.22,  1.0, -2.0,  0.0, -2.0, -26.0, 0.90, 0.1),
    "happy": _prosody(     3.1,  0.9,  0.06,  0.0,  4.0, -1.0,  2.5, -36.0, 0.00, 0.2),
    "neutral": NEUTRAL,
    "sad": _prosody(      -2.0, -1.0, -0.20,  1.5, -6.0, -5.0, -7.0, -30.0, 0.30, 0.0),
    "surprise": _prosody(  3.9,  1.1, -0.06,  0.5,  3.0,  4.0,  1.5, -32.0, 0.00, 0.8),
}  # fmt: skip

# Standard deviations: between takes of one speaker, and between speakers in how each renders an emotion.
TAKE_JITTER = _prosody(0.9, 0.27, 0.07, 0.7, 1.8, 1.2, 1.5, 3.0, 0.12, 0.15)
SPEAKER_JITTER = _prosody(0.4, 0.12, 0.03, 0.4, 1.0, 0.6, 0.7, 1.8, 0.08, 0.06)


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A voice, its habits, and the room in which it is recorded.

    Attributes:
        code: the speaker's code in file names.
        voice: espeak-ng voice and variant.
        rate_hz: native sample rate of the recordings.
        noise_dbfs: level of the noise of the room.
        stereo: whether some recordings have two channels.
        rate_wpm: neutral words per minute.
        pitch: neutral espeak-ng pitch, 0 to 100.
        pitch_range: neutral espeak-ng range, 0 to 100.
        level_dbfs: RMS of the neutral voice.
        microphone_tilt_db: gain of the recording chain above 1 kHz relative to below.
        expressiveness: factor on every difference from neutral.
        renderings: the speaker's own offset of each cue in each emotion.
    """

    code: str
    voice: str
    rate_hz: int
    noise_dbfs: float
    stereo: bool
    rate_wpm: float
    pitch: float
    pitch_range: float
    level_dbfs: float
    microphone_tilt_db: float
    expressiveness: float
    renderings: dict[str, Prosody]


# Odd numbers are women, even ones men, as the catalogue says.
VOICES = (
    ("en-us+f1", 16000), ("en-us+m1", 22050), ("en+f2", 24414), ("en+m2", 44100),
    ("en-us+f3", 22050), ("en-gb-scotland+m3", 16000), ("en-gb-x-rp+f4", 16000), ("en-us+m4", 24414),
    ("en-us+f5", 22050), ("en+m5", 16000), ("en-us+linda", 44100), ("en-us-nyc+m6", 22050),
    ("en-gb-scotland+belinda", 16000), ("en-us+m7", 22050), ("en+Annie", 24414), ("en-gb-x-rp+m8", 44100),
)  # fmt: skip

STEREO_SPEAKERS = (4, 11)


def cast(count: int, *, seed: int) -> list[Speaker]:
    """The first `count` speakers, at most as many as `VOICES`. A speaker does not depend on `count`."""
    return [_speaker(number, seed=seed) for number in range(1, count + 1)]


def _speaker(number: int, *, seed: int) -> Speaker:
    rng = np.random.default_rng([seed, number])
    voice, rate_hz = VOICES[number - 1]
    return Speaker(
        code=f"spk{number:02d}",
        voice=voice,
        rate_hz=rate_hz,
        noise_dbfs=rng.uniform(-64, -52),
        stereo=number in STEREO_SPEAKERS,
        rate_wpm=rng.uniform(155, 175),
        pitch=rng.uniform(46, 54),
        pitch_range=rng.uniform(42, 55),
        level_dbfs=rng.uniform(-30, -22),
        microphone_tilt_db=rng.uniform(-1.5, 1.5),
        expressiveness=rng.uniform(0.8, 1.2),
        renderings={emotion: _jitter(SPEAKER_JITTER, rng) for emotion in EMOTION_PROSODY},
    )


def _jitter(deviations: Prosody, rng: np.random.Generator) -> Prosody:
    return _prosody(*(rng.normal(0.0, getattr(deviations, cue)) for cue in CUES))


def deliver(speaker: Speaker, emotion: str, rng: np.random.Generator) -> Prosody:
    """Draw how a speaker renders an emotion in one take."""
    target, habit, take = EMOTION_PROSODY[emotion], speaker.renderings[emotion], _jitter(TAKE_JITTER, rng)
    values = []
    for cue in CUES:
        rest = getattr(NEUTRAL, cue)
        departure = speaker.expressiveness * (getattr(target, cue) - rest)
        values.append(rest + departure + getattr(habit, cue) + getattr(take, cue))
    return _prosody(*values)


def request(speaker: Speaker, sentence: str, prosody: Prosody, rng: np.random.Generator) -> Request:
    """The request to espeak-ng for a sentence, which must end in a full stop."""
    rises = rng.random() < prosody.rise
    return Request(
        text=sentence[:-1] + "?" if rises else sentence,
        voice=speaker.voice,
        rate_wpm=_within(speaker.rate_wpm * 2**prosody.rate, 110, 300),
        pitch=_within(speaker.pitch + prosody.pitch_semitones * PITCH_STEPS_A_SEMITONE, 0, 100),
        pitch_range=_within(speaker.pitch_range * 2**prosody.pitch_range, 3, 100),
        word_gap=_within(prosody.word_gap, 0, 8),
    )


def _within(value: float, low: int, high: int) -> int:
    return int(np.clip(round(value), low, high))
