"""CaFE: twelve actors of Canadian French say six sentences in six emotions, weakly and strongly, and in neutral.

Names: actor (odd numbers are men), letter of the French word for the emotion, intensity, sentence (`01-C-1-1`), as in
the record's description. Folders repeat emotion and intensity. All four codes identify a performance. The record also
has the recordings as AIFF at 192 kHz, under the same names.
"""

import re

from deepemo.corpora.definition import Corpus, ZenodoRecord

CORPUS = Corpus(
    name="cafe",
    title="CaFE",
    language="fr",
    homepage="https://zenodo.org/records/1478765",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Gournay P, Lahaie O, Lefebvre R (2018). A Canadian French Emotional Speech Dataset. Proceedings of the 9th "
        "ACM Multimedia Systems Conference, 399-402. doi:10.1145/3204949.3208121"
    ),
    clips=936,
    size_bytes=400_000_000,
    source=ZenodoRecord(record_url="https://zenodo.org/api/records/1478765", archive="CaFE_48k.zip"),
    folders=("CaFE_48k", "CaFE_192k_1", "CaFE_192k_2"),
    native_rate_hz=48_000,
    # 01-C-1-1
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>\d{2})-(?P<emotion>[A-Z])-(?P<intensity>[12])-(?P<sentence>[1-6])$"),
    emotions={
        "C": "angry",  # colère
        "D": "disgust",  # dégoût
        "P": "fear",  # peur
        "J": "happy",  # joie
        "N": "neutral",
        "T": "sad",  # tristesse
        "S": "surprise",
    },
    genders={f"{actor:02d}": "male" if actor % 2 else "female" for actor in range(1, 13)},
    intensities={"1": "weak", "2": "strong"},
)
