"""What every corpus says of itself, and the one parser that reads the names of its files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError


class ContractError(InputError):
    """A corpus that contradicts itself or the seven emotions."""


class UnknownNameError(InputError):
    """A file name that does not follow its corpus's naming."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One archive behind one address, as RAVDESS is published."""

    url: str
    size_bytes: int
    md5: str


@dataclass(frozen=True, kw_only=True)
class LfsFiles:
    """One wav a file, each checked against the sha256 and size of its Git LFS pointer.

    `list_url` is a CSV whose column `list_column` holds the names of all files. The other addresses are templates with
    `{name}`; the media ones are tried in order. `member` says where a file belongs in the corpus's folder tree.
    `other_names` are names that the repository has held for a listed one.
    """

    list_url: str
    list_column: str
    pointer_url: str
    media_urls: tuple[str, ...]
    member: str
    other_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dataverse:
    """A Dataverse dataset: its JSON lists every file with an md5, each fetched by its id (`{id}`)."""

    dataset_url: str
    file_url: str


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A corpus that people fetch themselves and point `source_dir` at.

    `url` is where they get it, `reason` why this package does not: half a sentence of which the corpus is the subject.
    """

    url: str
    reason: str


@dataclass(frozen=True)
class Generated:
    """A corpus that this package makes itself."""


Source = Archive | LfsFiles | Dataverse | ByHand | Generated


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What a file's name says of the recording.

    `name` is the canonical stem, the same for every layout of the corpus. `performance` is the same for all recordings
    of one performance, by whatever device: of one speaker who once says one sentence in one emotion and intensity; it
    is the name of the recording to prefer. `emotion` is one of the seven or the corpus's own word for one outside them
    (`calm`, `boredom`). `repairs` names what was mended in reading the name.
    """

    name: str
    performance: str
    speaker: str
    gender: str
    emotion: str
    intensity: str
    sentence: str
    is_speech: bool
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """A corpus: where it comes from, on what terms, and how its file names are read.

    `name_pattern` is searched in a member's path without its suffix, with forward slashes. Its named groups
    `speaker` and `emotion` are required; `sentence`, `intensity`, `channel` and `medium` may be absent. Where it
    ignores case, codes are read in either case. What it matches names a performance, but for the group `medium`, which
    says by what device it was recorded; `best_medium` is the code of the one to prefer. `emotions` leads from every
    code to one of the seven or to a word of `other_emotions`, the corpus's own words for what is outside them.
    `folders` are the names of folders and archives, besides the corpus's own, under which copies of it are found;
    `copies.same_name` says which count as the same. `clips` is how many recordings its makers publish, `size_bytes`
    the size of the archive where `source` is one, else of all recordings unpacked; rounded where they publish no exact
    figure.

    Raises:
        ContractError: `emotions` and `other_emotions` do not fit each other or the seven.
    """

    name: str
    title: str
    language: str
    homepage: str
    licence: str
    citation: str
    clips: int
    size_bytes: int
    source: Source
    name_pattern: re.Pattern[str]
    emotions: Mapping[str, str]
    other_emotions: tuple[str, ...] = ()
    genders: Mapping[str, str]
    sentences: Mapping[str, str] = field(default_factory=dict)
    intensities: Mapping[str, str] = field(default_factory=dict)
    speaker_aliases: Mapping[str, str] = field(default_factory=dict)
    name_repairs: Mapping[str, str] = field(default_factory=dict)
    speech_channel: str | None = None
    best_medium: str | None = None
    folders: tuple[str, ...] = ()
    native_rate_hz: int | None = None

    def __post_init__(self) -> None:
        for code, word in self.emotions.items():
            if word not in EMOTIONS and word not in self.other_emotions:
                raise ContractError(
                    f"{self.name}: emotions: found {word!r} for the code {code!r}, expected one of {list(EMOTIONS)}, "
                    f"or a word of other_emotions {list(self.other_emotions)}"
                )
        for word in self.other_emotions:
            if word in EMOTIONS or word not in self.emotions.values():
                raise ContractError(
                    f"{self.name}: other_emotions: found {word!r}, expected words outside the seven to which a code of "
                    f"emotions leads: {[other for other in self.emotions.values() if other not in EMOTIONS]}"
                )

    def parse(self, member: str) -> Utterance:
        """Read what the name of a recording says.

        Args:
            member: path of the recording inside its archive or folder, with forward slashes.

        Raises:
            UnknownNameError: the name does not follow the corpus's pattern, or holds a code it does not define.
        """
        path = PurePosixPath(member)
        stem = self.name_repairs.get(path.stem, path.stem)
        repairs = ["file_name"] if stem != path.stem else []
        match = self.name_pattern.search(str(path.parent / stem))
        if match is None:
            raise UnknownNameError(
                f"{member}: not named as in {self.title}, expected to match {self.name_pattern.pattern}"
            )
        speaker = self._code(match, "speaker", {**self.genders, **self.speaker_aliases})
        if speaker in self.speaker_aliases:
            speaker = self.speaker_aliases[speaker]
            repairs.append("speaker_code")
        emotion = self._code(match, "emotion", self.emotions)
        codes = match.groupdict(default="")
        sentence = codes.get("sentence", "")
        intensity = codes.get("intensity", "")
        spelled = {"speaker": speaker, "emotion": emotion}
        if self.name_pattern.flags & re.IGNORECASE and sentence:
            spelled["sentence"] = sentence = sentence.lower()
        medium = {"medium": self.best_medium} if self.best_medium is not None else {}
        return Utterance(
            name=_spelled_with(match, **spelled),
            performance=_spelled_with(match, **spelled, **medium),
            speaker=speaker,
            gender=self.genders[speaker],
            emotion=self.emotions[emotion],
            intensity=self.intensities.get(intensity, intensity),
            sentence=self.sentences.get(sentence, sentence),
            is_speech=self.speech_channel is None or codes.get("channel") == self.speech_channel,
            repairs=tuple(repairs),
        )

    def _code(self, match: re.Match[str], group: str, known: Mapping[str, str]) -> str:
        """The code in a group as the corpus spells it; upper and lower case are one if they are to the pattern."""
        found = match[group]
        for code in known:
            if code == found or (self.name_pattern.flags & re.IGNORECASE and code.lower() == found.lower()):
                return code
        raise UnknownNameError(f"{match.string}: unknown {group} {found!r}, expected one of {sorted(known)}")


def _spelled_with(match: re.Match[str], **codes: str) -> str:
    """The matched name with the codes in it as the corpus spells them, and without folders."""
    name, start = match[0], match.start()
    for group in sorted(codes, key=match.start, reverse=True):
        name = name[: match.start(group) - start] + codes[group] + name[match.end(group) - start :]
    return name.strip("/").replace("/", "_")
