"""CREMA-D: 91 actors say twelve sentences in six emotions, one of the sentences at three intensities.

The WAV files are in a git repository with Git LFS; its `SentenceFilenames.csv` lists all of them. Actor, sentence,
emotion and level identify a performance. A clone of the repository also has each recording as MP3, and
`processedResults/tabulatedVotes.csv` with the answers of people: on the voice alone in rows 100001 and up, on the face
in rows 200001 and up, and on both in rows 300001 and up.
"""

import re

from deepemo.corpora.definition import Corpus, GitFiles, LfsFiles
from deepemo.corpora.tables import SideTable

_REPOSITORY = "CheyneyComputerScience/CREMA-D/master"
_MIRROR = "https://gitlab.com/cs-cooper-lab/crema-d-mirror/-/raw/main"

# Sex of the actors from 1001 on, from the repository's VideoDemographics.csv.
# fmt: off
_WOMEN = {
    2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 18, 20, 21, 24, 25, 28, 29, 30, 37, 43, 46, 47, 49, 52, 53, 54, 55, 56, 58,
    60, 61, 63, 72, 73, 74, 75, 76, 78, 79, 82, 84, 89, 91,
}
# fmt: on

CORPUS = Corpus(
    name="crema_d",
    title="CREMA-D",
    language="en",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0 (the database), DbCL 1.0 (its contents)",
    citation=(
        "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: Crowd-sourced Emotional Multimodal "
        "Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390. doi:10.1109/TAFFC.2014.2336244"
    ),
    clips=7442,
    size_bytes=605_899_936,
    source=LfsFiles(
        list_url=f"https://raw.githubusercontent.com/{_REPOSITORY}/SentenceFilenames.csv",
        list_column="Filename",
        pointer_url=f"https://raw.githubusercontent.com/{_REPOSITORY}/AudioWAV/{{name}}.wav",
        media_urls=(
            f"https://media.githubusercontent.com/media/{_REPOSITORY}/AudioWAV/{{name}}.wav",
            f"{_MIRROR}/AudioWAV/{{name}}.wav",
        ),
        member="AudioWAV/{name}.wav",
        other_names={"1040_ITH_SAD_XX": "1040_ITH_SAD_X"},
        tables=GitFiles(
            tree_url="https://api.github.com/repos/CheyneyComputerScience/CREMA-D/contents/processedResults",
            file_url=f"https://raw.githubusercontent.com/{_REPOSITORY}/{{path}}",
        ),
    ),
    folders=("crema", "crema-d-mirror", "AudioWAV"),
    native_rate_hz=16_000,
    # 1001_IEO_ANG_HI
    name_pattern=re.compile(
        r"(?:^|/)(?P<speaker>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>[A-Z]{2})$"
    ),
    emotions={
        "ANG": "angry",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happy",
        "NEU": "neutral",
        "SAD": "sad",
    },
    genders={f"10{actor:02d}": "female" if actor in _WOMEN else "male" for actor in range(1, 92)},
    sentences={
        "IEO": "It's eleven o'clock.",
        "TIE": "That is exactly what happened.",
        "IOM": "I'm on my way to the meeting.",
        "IWW": "I wonder what this is about.",
        "TAI": "The airplane is almost full.",
        "MTI": "Maybe tomorrow it will be cold.",
        "IWL": "I would like a new alarm clock.",
        "ITH": "I think I have a doctor's appointment.",
        "DFA": "Don't forget a jacket.",
        "ITS": "I think I've seen this before.",
        "TSI": "The surface is slick.",
        "WSI": "We'll stop in a couple of minutes.",
    },
    intensities={"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"},
    tables=(
        SideTable(
            path="processedResults/tabulatedVotes.csv",
            key="fileName",
            votes={"angry": "A", "disgust": "D", "fear": "F", "happy": "H", "neutral": "N", "sad": "S"},
            where=("", r"1\d{5}"),
            required=False,
        ),
    ),
    name_repairs={"1040_ITH_SAD_X": "1040_ITH_SAD_XX"},
)
