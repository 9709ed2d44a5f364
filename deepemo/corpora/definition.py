"""The definition of a corpus, and the parser of its file names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from deepemo.corpora.tables import Cell, Labels, ReadBeside, SideTable, read_labels
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

GENDERS = ("female", "male")


@dataclass(frozen=True, kw_only=True)
class ZipDownload:
    """One zip at one address, such as RAVDESS."""

    url: str
    size_bytes: int
    md5: str


@dataclass(frozen=True, kw_only=True)
class LfsFiles:
    """WAV files in a git repository, each checked against the sha256 and size of its Git LFS pointer.

    Attributes:
        list_url: address of a CSV that lists all files.
        list_column: its column with the names, without suffix.
        pointer_url: template of a pointer's address, with `{name}`.
        media_urls: templates of a file's addresses, with `{name}`, tried in order.
        member: template of a file's path in the corpus, with `{name}`.
        other_names: names under which the repository may hold a listed file instead.
        tables: where the corpus's tables come from, if it has any.
    """

    list_url: str
    list_column: str
    pointer_url: str
    media_urls: tuple[str, ...]
    member: str
    other_names: Mapping[str, str] = field(default_factory=dict)
    tables: "GitFiles | None" = None


@dataclass(frozen=True, kw_only=True)
class GitFiles:
    """Files of a git repository, each checked against the size and the object id in GitHub's own listing.

    Attributes:
        tree_url: address of the listing: a tree or the contents of a folder, by GitHub's API.
        file_url: template of a file's address, with `{path}`.
    """

    tree_url: str
    file_url: str


@dataclass(frozen=True, kw_only=True)
class ZenodoRecord:
    """A record on Zenodo: its JSON lists every file with size, md5 and address at the time of fetching.

    Attributes:
        record_url: address of that JSON.
        archive: name of the zip or RAR in it that holds the recordings; None if each recording is a file of the record.
        md5: of the archive, where it is known already.
    """

    record_url: str
    archive: str | None = None
    md5: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dataverse:
    """A Dataverse dataset: its JSON lists every file with an md5.

    Attributes:
        dataset_url: address of that JSON.
        file_url: template of a file's address, with `{id}`.
    """

    dataset_url: str
    file_url: str


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A corpus that users fetch themselves, into a folder inside `download.source_dir`.

    Attributes:
        url: where to get it.
        reason: why this package does not fetch it: a half sentence with the corpus as its subject.
    """

    url: str
    reason: str


@dataclass(frozen=True)
class Generated:
    """A corpus that this package generates."""


@dataclass(frozen=True)
class Own:
    """A user's own corpus, described by a manifest.

    Attributes:
        folder: the folder with the manifest and the recordings.
    """

    folder: Path


CorpusSource = ZipDownload | ZenodoRecord | LfsFiles | GitFiles | Dataverse | ByHand | Generated | Own


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What the name of a file says about the recording.

    Attributes:
        name: the canonical stem, the same for every layout of the corpus.
        performance: shared by all recordings of one performance, in which one speaker says one sentence once in one
            emotion and intensity; it is the name of the preferred recording.
        speaker: the speaker's code.
        gender: `female` or `male`; empty if it is not known.
        emotion: one of the seven, or the corpus's own word for an emotion outside them (`calm`, `boredom`).
        intensity: the corpus's word for it, or empty.
        sentence: the words, or the corpus's code for them.
        is_speech: false for songs.
        agreement: share of the listeners who named this emotion from the sound alone; None if nobody was asked.
        repairs: known errors in the name that were corrected.
    """

    name: str
    performance: str
    speaker: str
    gender: str
    emotion: str
    intensity: str
    sentence: str
    is_speech: bool
    agreement: float | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus: its source, its terms of use, and how its file names are read.

    Attributes:
        name: its name in `download.corpora`, and the name of its module in the catalogue.
        title: its name as its makers write it.
        language: ISO 639-1 code.
        homepage: its address.
        licence: terms of use.
        citation: what to cite.
        clips: number of recordings that its makers publish.
        size_bytes: size of the zip if `source` is one, else of all recordings, unpacked; rounded if its makers publish
            no exact figure.
        speakers: number of speakers; by default as many as `genders` names, None if that is not known.
        source: how it is published.
        name_pattern: searched in a recording's path without suffix, with forward slashes. Of the named groups,
            `speaker` and `emotion` are required unless a table tells them; `gender`, `sentence`, `intensity`, `channel`
            and `medium` are optional. If the pattern ignores case, so do the codes. The group `name`, or else the whole
            match, names the performance. The group `medium` is the device that recorded it, and is replaced by
            `best_medium` in that name.
        emotions: one of the seven emotions, or a word of `other_emotions`, by code.
        other_emotions: the corpus's own words for emotions outside the seven.
        genders: `female` or `male` by speaker code; empty if any speaker is accepted and a table or the group `gender`
            tells the gender.
        gender_codes: `female`, `male`, or an empty text if it is not known, by the code in a table or in that group.
        tables: tables beside the recordings; their codes are read like those in the names.
        files: further files beside the recordings that are kept with them.
        labels: content of these tables, see `with_labels`.
        sentences: words by code.
        intensities: words by code.
        speaker_aliases: speaker codes by mistyped speaker code.
        name_repairs: correct stems by mistyped stem.
        speech_channel: code of the group `channel` that means speech; None if all recordings are speech.
        best_medium: code of the group `medium` of the preferred recording of a performance.
        folders: further names of folders and archives that hold copies of the corpus, see
            `download.folders.same_name`.
        native_rate_hz: sample rate of the recordings; any other rate is recorded as an oddity.

    Raises:
        InputError: `emotions` and `other_emotions` contradict each other or the seven emotions.
    """

    name: str
    title: str
    language: str
    homepage: str
    licence: str
    citation: str
    clips: int
    size_bytes: int
    speakers: int | None = None
    source: CorpusSource
    name_pattern: re.Pattern[str]
    emotions: Mapping[str, str]
    other_emotions: tuple[str, ...] = ()
    genders: Mapping[str, str] = field(default_factory=dict)
    gender_codes: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[SideTable, ...] = ()
    files: tuple[str, ...] = ()
    labels: Labels | None = field(default=None, repr=False, compare=False)
    sentences: Mapping[str, str] = field(default_factory=dict)
    intensities: Mapping[str, str] = field(default_factory=dict)
    speaker_aliases: Mapping[str, str] = field(default_factory=dict)
    name_repairs: Mapping[str, str] = field(default_factory=dict)
    speech_channel: str | None = None
    best_medium: str | None = None
    folders: tuple[str, ...] = ()
    native_rate_hz: int | None = None

    def __post_init__(self) -> None:
        if self.speakers is None and self.genders:
            object.__setattr__(self, "speakers", len(self.genders))
        for code, word in self.emotions.items():
            if word not in EMOTIONS and word not in self.other_emotions:
                raise InputError(
                    f"{self.name}: emotions: found {word!r} for the code {code!r}, expected one of {list(EMOTIONS)}, "
                    f"or a word of other_emotions {list(self.other_emotions)}"
                )
        for word in self.other_emotions:
            if word in EMOTIONS or word not in self.emotions.values():
                raise InputError(
                    f"{self.name}: other_emotions: found {word!r}, expected words outside the seven to which a code of "
                    f"emotions leads: {[other for other in self.emotions.values() if other not in EMOTIONS]}"
                )

    def parse(self, member: str) -> Utterance:
        """Read the name of a recording.

        Args:
            member: path of the recording inside its archive or folder, with forward slashes.

        Raises:
            InputError: the name does not match the corpus's pattern, or contains an unknown code.

        Example:
            >>> from deepemo.corpora.registry import CORPORA
            >>> said = CORPORA["crema_d"].parse("AudioWAV/1001_IEO_ANG_HI.wav")
            >>> said.speaker, said.gender, said.emotion, said.intensity, said.sentence
            ('1001', 'male', 'angry', 'high', "It's eleven o'clock.")
        """
        path = PurePosixPath(member)
        stem = self.name_repairs.get(path.stem, path.stem)
        repairs = ["file_name"] if stem != path.stem else []
        match = self.name_pattern.search(str(path.parent / stem))
        if match is None:
            raise InputError(f"{member}: not named as in {self.title}, expected to match {self.name_pattern.pattern}")
        place = Cell(match.string, match.string)
        codes = {what: place._replace(value=code) for what, code in match.groupdict(default="").items()}
        codes |= self._listed(member)
        known_speakers = {**self.genders, **self.speaker_aliases}
        speaker = self._code(codes["speaker"], "speaker", known_speakers) if known_speakers else codes["speaker"].value
        if speaker in self.speaker_aliases:
            speaker = self.speaker_aliases[speaker]
            repairs.append("speaker_code")
        if not speaker:
            raise InputError(f"{codes['speaker'].place}: speaker: found nothing, expected the name of who speaks")
        emotion = self._code(codes["emotion"], "emotion", self.emotions)
        sentence = codes["sentence"].value if "sentence" in codes else ""
        intensity = codes["intensity"].value if "intensity" in codes else ""
        spelled = {"speaker": speaker, "emotion": emotion}
        if self.name_pattern.flags & re.IGNORECASE and sentence:
            spelled["sentence"] = sentence = sentence.lower()
        spelled = {group: code for group, code in spelled.items() if group in match.re.groupindex}
        medium = {"medium": self.best_medium} if self.best_medium is not None else {}
        return Utterance(
            name=_spelled_with(match, **spelled),
            performance=_spelled_with(match, **spelled, **medium),
            speaker=speaker,
            gender=self._gender(speaker, codes),
            emotion=self.emotions[emotion],
            intensity=self.intensities.get(intensity, intensity),
            sentence=self.sentences.get(sentence, sentence),
            is_speech=self.speech_channel is None or codes["channel"].value == self.speech_channel,
            agreement=self._agreement(member, self.emotions[emotion]),
            repairs=tuple(repairs),
        )

    @property
    def beside(self) -> tuple[str, ...]:
        """Paths of all files that are kept with the recordings."""
        return tuple(dict.fromkeys((*self.files, *(table.path for table in self.tables))))

    def with_labels(self, read_beside: ReadBeside) -> "Corpus":
        """The same corpus with the content of its tables; the corpus itself if it has no tables.

        Args:
            read_beside: reads a file beside the recordings by the end of its path; None if there is none.

        Raises:
            InputError: see `tables.read_labels`.
        """
        return replace(self, labels=read_labels(self.tables, read_beside)) if self.tables else self

    def _listed(self, member: str) -> Mapping[str, Cell]:
        """What the tables tell about a recording; empty if no table has to list it."""
        listing = [table.path for table in self.tables if table.about == "recording" and table.required]
        if not listing:
            return {}
        row = self.labels.of_recording(member) if self.labels else None
        if row is None:
            raise InputError(f"{member}: not listed in {' or '.join(listing)} of {self.title}")
        return row

    def _gender(self, speaker: str, codes: Mapping[str, Cell]) -> str:
        told = self.labels.speakers.get(speaker, {}) if self.labels else {}
        found = told.get("gender", codes.get("gender"))
        if found is None:
            return self.genders.get(speaker, "")
        return self.gender_codes[self._code(found, "gender", self.gender_codes)]

    def _agreement(self, member: str, emotion: str) -> float | None:
        answers = self.labels.answers_to(member) if self.labels else {}
        total = sum(answers.values())
        heard = sum(count for word, count in answers.items() if self.emotions.get(word, word) == emotion)
        return heard / total if total else None

    def _code(self, found: Cell, what: str, known: Mapping[str, str]) -> str:
        """A code as the corpus spells it. Case is ignored if the pattern ignores it."""
        for code in known:
            if code == found.value or (self.name_pattern.flags & re.IGNORECASE and code.lower() == found.value.lower()):
                return code
        raise InputError(f"{found.place}: unknown {what} {found.value!r}, expected one of {sorted(known)}")


def _spelled_with(match: re.Match[str], **codes: str) -> str:
    """The matched name, with these codes in place of the matched ones and its folders joined by `_`."""
    whole = "name" if "name" in match.re.groupindex else 0
    name, start = match[whole], match.start(whole)
    for group in sorted(codes, key=match.start, reverse=True):
        name = name[: match.start(group) - start] + codes[group] + name[match.end(group) - start :]
    return name.strip("/").replace("/", "_")
