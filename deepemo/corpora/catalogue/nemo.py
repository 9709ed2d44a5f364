"""nEMO: nine Polish actors say ninety sentences in five emotions and in neutral. It has no disgust.

Names: speaker, emotion, sentence (`EB0_anger_1`), which together identify a performance. `data.tsv` has one row per
file, with the sentence's words and the speaker's gender and age. Its cells are padded with spaces.
"""

import re

from deepemo.corpora.definition import Corpus, GitFiles
from deepemo.corpora.tables import SideTable

CORPUS = Corpus(
    name="nemo",
    title="nEMO",
    language="pl",
    homepage="https://github.com/amu-cai/nEMO",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Christop I (2024). nEMO: Dataset of Emotional Speech in Polish. Proceedings of LREC-COLING 2024, 12111-12116. "
        "arXiv:2404.06292"
    ),
    clips=4481,
    size_bytes=537_000_000,
    speakers=9,
    source=GitFiles(
        tree_url="https://api.github.com/repos/amu-cai/nEMO/git/trees/main?recursive=1",
        file_url="https://raw.githubusercontent.com/amu-cai/nEMO/main/{path}",
    ),
    native_rate_hz=24_000,
    # EB0_anger_1
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>[A-Z]{2}\d)_(?P<emotion>[a-z]+)_\d{1,2}$"),
    emotions={
        "anger": "angry",
        "fear": "fear",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
        "surprised": "surprise",
    },
    gender_codes={"female": "female", "male": "male"},
    tables=(
        SideTable(path="data.tsv", key="file_id", columns={"sentence": "raw_text", "gender": "gender"}, separator="\t"),
    ),
)
