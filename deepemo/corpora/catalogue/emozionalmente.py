"""Emozionalmente: 431 amateurs say eighteen Italian sentences in six emotions and in neutral, at home, over the web.

The names of the files contain no codes. `metadata/samples.csv` has the speaker, emotion and sentence of each file,
`metadata/users.csv` has the speakers' genders, and `metadata/evaluations.csv` has the answers of five listeners. Each
file is a performance.
"""

import re

from deepemo.corpora.definition import Corpus, ZenodoRecord
from deepemo.corpora.tables import SideTable

CORPUS = Corpus(
    name="emozionalmente",
    title="Emozionalmente",
    language="it",
    homepage="https://zenodo.org/records/6569824",
    licence="CC BY 4.0",
    citation=(
        "Catania F, Wilke JW, Garzotto F (2025). Emozionalmente: A Crowdsourced Corpus of Simulated Emotional Speech "
        "in Italian. IEEE Transactions on Audio, Speech and Language Processing 33: 1142-1155. "
        "doi:10.1109/TASLPRO.2025.3540662"
    ),
    clips=6902,
    size_bytes=558_900_000,
    speakers=431,
    source=ZenodoRecord(
        record_url="https://zenodo.org/api/records/6569824",
        archive="emozionalmente.zip",
        md5="398c6502dd2b0e1e810f927c12897547",
    ),
    folders=("emozionalmente_dataset",),
    native_rate_hz=16_000,
    name_pattern=re.compile(r"(?:^|/)(?P<name>[^/]+)$"),
    emotions={
        "anger": "angry",
        "disgust": "disgust",
        "fear": "fear",
        "joy": "happy",
        "neutrality": "neutral",
        "sadness": "sad",
        "surprise": "surprise",
    },
    # Speakers could also choose other answers than female and male.
    gender_codes={"female": "female", "male": "male", "f": "female", "m": "male", "other": "", "": ""},
    tables=(
        SideTable(
            path="metadata/samples.csv",
            key="file_name",
            columns={"speaker": "actor", "emotion": "emotion_expressed", "sentence": "sentence"},
        ),
        SideTable(path="metadata/users.csv", about="speaker", key="username", columns={"gender": "gender"}),
        SideTable(
            path="metadata/evaluations.csv",
            about="answer",
            key="file_name",
            columns={"emotion": "emotion_recognized"},
            required=False,
        ),
    ),
)
