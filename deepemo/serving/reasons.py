"""Why an answer is `unknown`: the codes, and the words for them. One list for library, command line, API and page."""

UNKNOWN = "unknown"

UNDECODABLE = "undecodable"
TOO_LONG = "too_long"
TOO_SHORT = "too_short"
SILENT = "silent"
NO_VOICE = "no_voice"
UNSURE = "unsure"

WORDS = {
    UNDECODABLE: "This is not a sound file that can be read.",
    TOO_LONG: "The recording is longer than is accepted.",
    TOO_SHORT: "The recording is too short to hear how somebody feels.",
    SILENT: "The recording is silent.",
    NO_VOICE: "No human voice is heard in the recording.",
    UNSURE: "A voice is heard, but none of the seven emotions stands out enough for an answer.",
}

REASONS = tuple(WORDS)

# Nothing was heard at all; with the others, somebody listened and could not tell.
UNREADABLE = frozenset({UNDECODABLE, TOO_LONG})
