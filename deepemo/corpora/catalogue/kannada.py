"""Kannada: thirteen volunteers, two of them children, say six sentences in five emotions and in neutral.

It has no disgust. Names: speaker, emotion, sentence (`01-01-01`), as the record's description says; all three identify
a performance. They were recorded at home. Each recording is a file of the record.
"""

import re

from deepemo.corpora.definition import Corpus, ZenodoRecord

_MEN = {4, 6, 12, 13}

CORPUS = Corpus(
    name="kannada",
    title="Kannada Emotional Speech",
    language="kn",
    homepage="https://zenodo.org/records/6345107",
    licence="CC BY 4.0",
    citation="Agrawal V (2022). Kannada Emotional Speech Dataset. Zenodo. doi:10.5281/zenodo.6345107",
    clips=468,
    size_bytes=150_000_000,
    source=ZenodoRecord(record_url="https://zenodo.org/api/records/6345107"),
    folders=("kannada-emotional-speech-dataset", "6345107"),
    # 01-01-01
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>\d{2})-(?P<emotion>\d{2})-(?P<sentence>0[1-6])$"),
    emotions={
        "01": "angry",
        "02": "sad",
        "03": "surprise",
        "04": "happy",
        "05": "fear",
        "06": "neutral",
    },
    genders={f"{speaker:02d}": "male" if speaker in _MEN else "female" for speaker in range(1, 14)},
)
