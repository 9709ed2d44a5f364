"""Oréau: 32 amateurs say 79 French sentences in six emotions and in neutral.

This is version 2: the 434 of 502 recordings whose emotion listeners recognised. Names: speaker, `a`, sentence, letter
of the French word for the emotion, take (`31a06Ja`). Folders `m` and `f` tell the gender. Speaker, sentence, emotion
and take identify a performance. The record has a RAR for each version.
"""

import re

from deepemo.corpora.definition import Corpus, ZenodoRecord

CORPUS = Corpus(
    name="oreau",
    title="Oréau",
    language="fr",
    homepage="https://zenodo.org/records/4405783",
    licence="CC BY 4.0",
    citation=(
        "Kerkeni L, Cleder C, Serrestou Y, Raoof K (2020). French Emotional Speech Database - Oréau. Zenodo. "
        "doi:10.5281/zenodo.4405783"
    ),
    clips=434,
    size_bytes=60_000_000,
    speakers=32,
    source=ZenodoRecord(record_url="https://zenodo.org/api/records/4405783", archive="OréauFR_02.rar"),
    folders=("oreau2", "OréauFR_02", "OreauFR_02"),
    # f/31/31a06Ja
    name_pattern=re.compile(
        r"(?:^|/)(?P<gender>[mf])/(?:[^/]+/)*(?P<name>(?P<speaker>\d{2})a(?P<sentence>\d{2})(?P<emotion>[A-Z])[a-z])$"
    ),
    emotions={
        "C": "angry",  # colère
        "D": "disgust",  # dégoût
        "P": "fear",  # peur
        "J": "happy",  # joie
        "N": "neutral",
        "T": "sad",  # tristesse
        "S": "surprise",
    },
    gender_codes={"f": "female", "m": "male"},
)
