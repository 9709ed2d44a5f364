"""Synthetic: speech that this package generates with espeak-ng, so that the pipeline runs without a download.

No person speaks in it: figures on it show that the pipeline works, not how well human emotions are recognised.
See docs/synthetic-corpus.md, and `deepemo.corpora.synthetic.generate` for how it is made.
"""

import re

from deepemo.corpora.definition import Corpus, Generated

CORPUS = Corpus(
    name="synthetic",
    title="Synthetic (espeak-ng)",
    language="en",
    homepage="https://github.com/espeak-ng/espeak-ng",
    licence="none to ask for: made on your own machine by espeak-ng, itself GPL-3.0-or-later",
    citation=(
        "Speech by espeak-ng 1.52. Prosody after: Juslin PN, Laukka P (2003). Communication of emotions in vocal "
        "expression and music performance: different channels, same code? Psychological Bulletin 129(5): 770-814. "
        "doi:10.1037/0033-2909.129.5.770; Scherer KR (2003). Vocal communication of emotion: a review of research "
        "paradigms. Speech Communication 40(1-2): 227-256. doi:10.1016/S0167-6393(02)00084-5"
    ),
    # At the size in params.yaml.
    clips=1354,
    size_bytes=149_572_506,
    source=Generated(),
    # spk03_s05_ang_t1: speaker, sentence, emotion, take, which together are a performance
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>spk\d{2})_(?P<sentence>s\d{2})_(?P<emotion>[a-z]{3})_t(?P<take>\d+)$"),
    emotions={
        "ang": "angry",
        "dis": "disgust",
        "fea": "fear",
        "hap": "happy",
        "neu": "neutral",
        "sad": "sad",
        "sur": "surprise",
        "cal": "calm",
    },
    other_emotions=("calm",),
    genders={f"spk{number:02d}": "female" if number % 2 else "male" for number in range(1, 17)},
    sentences={
        "s01": "The train leaves at seven.",
        "s02": "Your coat is on the chair.",
        "s03": "They painted the door again.",
        "s04": "She put the letter on the table.",
        "s05": "We will meet at the corner.",
        "s06": "The window is still open.",
        "s07": "He bought bread and apples.",
        "s08": "It has been raining since Monday.",
        "s09": "The keys are under the book.",
        "s10": "My sister called this morning.",
        "s11": "The shop closes in an hour.",
        "s12": "There is water in the glass.",
        "s13": "I found the map in the car.",
        "s14": "The children are in the garden.",
        "s15": "Someone left the light on.",
        "s16": "The bus stops near the bridge.",
    },
)
