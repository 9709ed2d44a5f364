"""Whether a WAV or AIFF file holds as many bytes of sound as its header announces.

libsndfile lowers the announced length to what the file holds, so a file that was cut short decodes without an error.
"""

import struct

_BYTE_ORDERS = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}
_SOUND_CHUNKS = (b"data", b"SSND")

# Programs that write to a pipe cannot go back to fill in the length, and leave this.
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF, 0x7FFFFFFF)


def missing_bytes(payload: bytes) -> int:
    """Bytes of sound that the header announces beyond the end of the file; 0 if none, or if it announces no length.

    Args:
        payload: the whole file. Containers other than WAV and AIFF announce their length elsewhere: 0 for them.
    """
    order = _BYTE_ORDERS.get(payload[:4])
    position = 12
    while order is not None and position + 8 <= len(payload):
        name, length = struct.unpack_from(f"{order}4sI", payload, position)
        position += 8
        if name in _SOUND_CHUNKS:
            return 0 if length in _UNKNOWN_LENGTHS else max(0, length - (len(payload) - position))
        # Chunks are padded to an even length.
        position += length + length % 2
    return 0
