"""SAVEE: four English men, fifteen sentences in each of seven emotions, thirty in neutral.

It is available only after registration. The same number means different sentences in different emotions, so emotion and
number together identify the sentence. Speaker, emotion and number identify a performance. Official copies have one
folder per speaker (`DC/a01.wav`); Kaggle's copy has one folder for all (`DC_a01.wav`).
"""

import re

from deepemo.corpora.definition import ByHand, Corpus

CORPUS = Corpus(
    name="savee",
    title="SAVEE",
    language="en",
    homepage="http://kahlan.eps.surrey.ac.uk/savee/",
    licence="research use, on registration",
    citation=(
        "Haq S, Jackson PJB (2010). Multimodal Emotion Recognition. In W. Wang (ed), Machine Audition: Principles, "
        "Algorithms and Systems. IGI Global, 398-423. doi:10.4018/978-1-61520-919-4.ch017"
    ),
    clips=480,
    size_bytes=170_000_000,
    source=ByHand(
        url="http://kahlan.eps.surrey.ac.uk/savee/Download.html", reason="is given out after registration alone"
    ),
    folders=("surrey-audiovisual-expressed-emotion-savee", "savee-database", "AudioData", "ALL"),
    native_rate_hz=44_100,
    # DC/sa01 or DC_sa01
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>[A-Z]{2})[/_](?P<sentence>(?P<emotion>[a-z]{1,2})\d{2})$"),
    emotions={
        "a": "angry",
        "d": "disgust",
        "f": "fear",
        "h": "happy",
        "n": "neutral",
        "sa": "sad",
        "su": "surprise",
    },
    genders=dict.fromkeys(("DC", "JE", "JK", "KL"), "male"),
)
