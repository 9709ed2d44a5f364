"""EmoDB: ten German actors say ten sentences in six emotions, one of them boredom, and in neutral.

It has no surprise, and boredom is outside the seven. Names: speaker, text, letter of the German word for the
emotion, version (`03a01Fa`); http://emodb.bilderbar.info/docu/ describes them. All four identify a performance:
another version is another take. Of about 800 takes, 535 are published, so not every speaker says every text in every
emotion.
"""

import re

from deepemo.corpora.definition import ByHand, Corpus

CORPUS = Corpus(
    name="emodb",
    title="EmoDB",
    language="de",
    homepage="http://emodb.bilderbar.info/",
    licence="free to download; no licence of its makers is known, they ask to be cited (audEERING's edition: CC0 1.0)",
    citation=(
        "Burkhardt F, Paeschke A, Rolfes M, Sendlmeier WF, Weiss B (2005). A Database of German Emotional Speech. "
        "Proceedings of Interspeech 2005, 1517-1520. doi:10.21437/Interspeech.2005-446"
    ),
    clips=535,
    size_bytes=47_000_000,
    source=ByHand(
        url="http://emodb.bilderbar.info/download/download.zip", reason="is published without a checksum to hold it to"
    ),
    folders=("berlin-database-of-emotional-speech-emodb",),
    native_rate_hz=16_000,
    # 03a01Fa
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>\d{2})(?P<sentence>[ab]\d{2})(?P<emotion>[A-Z])[a-z]$"),
    emotions={
        "W": "angry",  # Wut
        "E": "disgust",  # Ekel
        "A": "fear",  # Angst
        "F": "happy",  # Freude
        "N": "neutral",
        "T": "sad",  # Trauer
        "L": "boredom",  # Langeweile
    },
    other_emotions=("boredom",),
    genders={
        **dict.fromkeys(("03", "10", "11", "12", "15"), "male"),
        **dict.fromkeys(("08", "09", "13", "14", "16"), "female"),
    },
    sentences={
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    },
)
