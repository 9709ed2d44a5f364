"""TESS: two actresses, 64 and 26 years old, say "Say the word ..." with 200 words in seven emotions.

Kaggle's copies contain a second copy inside the first, and differ in the names of folders, so only file names are read.
Speaker, word and emotion identify a performance.
"""

import re

from deepemo.corpora.definition import Corpus, Dataverse

CORPUS = Corpus(
    name="tess",
    title="TESS",
    language="en",
    homepage="https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0 (some secondary sources: CC BY-NC 4.0)",
    citation=(
        "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). Borealis, V1. doi:10.5683/SP2/E8H2MF"
    ),
    clips=2800,
    size_bytes=282_000_000,
    source=Dataverse(
        dataset_url="https://borealisdata.ca/api/datasets/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF",
        file_url="https://borealisdata.ca/api/access/datafile/{id}",
    ),
    folders=(
        "toronto-emotional-speech-set-tess",
        "TESS Toronto emotional speech set data",
        "Toronto emotional speech set",
        "dataverse_files",
    ),
    native_rate_hz=24_414,
    # OAF_back_angry
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>[a-z]+)_(?P<sentence>[a-z]+)_(?P<emotion>[a-z]+)$", re.IGNORECASE),
    emotions={
        "angry": "angry",
        "disgust": "disgust",
        "fear": "fear",
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
        "ps": "surprise",
    },
    genders={"OAF": "female", "YAF": "female"},
    speaker_aliases={"OA": "OAF"},
)
