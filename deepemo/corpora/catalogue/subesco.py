"""SUBESCO: ten actresses and ten actors of Bangladesh say ten Bangla sentences in seven emotions, five times each.

Names: gender, number, name, `S` and sentence, emotion, take (`F_02_MONIKA_S_1_NEUTRAL_5`), as the corpus's paper says.
Speaker, sentence, emotion and take identify a performance. One published name ends in a stray bracket.
"""

import re

from deepemo.corpora.definition import Corpus, ZipDownload

CORPUS = Corpus(
    name="subesco",
    title="SUBESCO",
    language="bn",
    homepage="https://zenodo.org/records/4526477",
    licence="CC BY 4.0",
    citation=(
        "Sultana S, Rahman MS, Selim MR, Iqbal MZ (2021). SUST Bangla Emotional Speech Corpus (SUBESCO): An audio-only "
        "emotional speech corpus for Bangla. PLoS ONE 16(4): e0250173. doi:10.1371/journal.pone.0250173"
    ),
    clips=7000,
    size_bytes=1_664_512_929,
    speakers=20,
    source=ZipDownload(
        url="https://zenodo.org/records/4526477/files/SUBESCO.zip",
        size_bytes=1_664_512_929,
        md5="13d702cf944bf54d70d66bffc036ed7a",
    ),
    native_rate_hz=48_000,
    # F_02_MONIKA_S_1_NEUTRAL_5
    name_pattern=re.compile(
        r"(?:^|/)(?P<speaker>(?P<gender>[FM])_\d{2}_[A-Z]+)_S_(?P<sentence>\d{1,2})_(?P<emotion>[A-Z]+)_\d$"
    ),
    emotions={
        "ANGRY": "angry",
        "DISGUST": "disgust",
        "FEAR": "fear",
        "HAPPY": "happy",
        "NEUTRAL": "neutral",
        "SAD": "sad",
        "SURPRISE": "surprise",
    },
    gender_codes={"F": "female", "M": "male"},
    name_repairs={"F_02_MONIKA_S_2_SURPRISE_3]": "F_02_MONIKA_S_2_SURPRISE_3"},
)
