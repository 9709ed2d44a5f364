"""RAVDESS: 24 Canadian actors say two sentences in eight emotions at two intensities.

Only the audio files of speech are fetched. Copies may also hold the songs (vocal channel 02), which are marked as not
speech. Names: modality-channel-emotion-intensity-statement-repetition-actor, as in the record's description. The
modality is audio with video (01), video only (02) or audio only (03). The other codes identify the performance.
"""

import re

from deepemo.corpora.definition import Corpus, ZipDownload

CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS",
    language="en",
    homepage="https://zenodo.org/records/1188976",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): "
        "A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS ONE 13(5): "
        "e0196391. doi:10.1371/journal.pone.0196391"
    ),
    clips=1440,
    size_bytes=208_468_073,
    source=ZipDownload(
        url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
        size_bytes=208_468_073,
        md5="bc696df654c87fed845eb13823edef8a",
    ),
    folders=("ravdess-emotional-speech-audio",),
    native_rate_hz=48_000,
    # 03-01-06-01-02-01-12
    name_pattern=re.compile(
        r"(?:^|/)(?P<medium>0[123])-(?P<channel>\d{2})-(?P<emotion>\d{2})-(?P<intensity>\d{2})-(?P<sentence>\d{2})-\d{2}"
        r"-(?P<speaker>\d{2})$"
    ),
    emotions={
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fear",
        "07": "disgust",
        "08": "surprise",
    },
    other_emotions=("calm",),
    genders={f"{actor:02d}": "male" if actor % 2 else "female" for actor in range(1, 25)},
    sentences={"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."},
    intensities={"01": "normal", "02": "strong"},
    speech_channel="01",
    best_medium="03",
)
