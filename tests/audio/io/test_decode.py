import io
import struct

import av
import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import FEWER_CHANNELS, OPPOSITE_POLARITY, choose_channel, read_mono, read_recording
from deepemo.audio.samples import resample
from deepemo.errors import DecodeError, TooLongError

RATE_HZ = 48_000


def tone(seconds=1.0, rate_hz=RATE_HZ, hz=440.0):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def by_libsndfile(samples, rate_hz=RATE_HZ, **options):
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, **options)
    return content.getvalue()


def by_ffmpeg(samples, rate_hz, container, codec, *, layout="mono", video=False, **options):
    content = io.BytesIO()
    with av.open(content, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        if video:
            output.add_stream("libvpx", rate=1, width=16, height=16)
        channels = {"mono": 1, "stereo": 2}[layout]
        frame = av.AudioFrame.from_ndarray(np.stack([samples] * channels), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return content.getvalue()


def loudest_hz(samples, rate_hz):
    return np.fft.rfftfreq(len(samples), 1 / rate_hz)[np.abs(np.fft.rfft(samples)).argmax()]


@pytest.mark.parametrize(
    ("options", "container"),
    [
        ({"format": "WAV", "subtype": "PCM_16"}, "WAV"),
        ({"format": "WAV", "subtype": "FLOAT"}, "WAV"),
        ({"format": "FLAC"}, "FLAC"),
        ({"format": "OGG", "subtype": "VORBIS"}, "OGG"),
        ({"format": "OGG", "subtype": "OPUS"}, "OGG"),
        ({"format": "MP3"}, "MP3"),
        ({"format": "AIFF"}, "AIFF"),
    ],
)
def test_reads_what_libsndfile_reads(options, container):
    content = by_libsndfile(np.stack([tone(), tone()], axis=1), **options)
    sound = read_mono(content, max_seconds=10)
    assert (sound.rate_hz, sound.channels, sound.container) == (RATE_HZ, 2, container)
    assert loudest_hz(sound.mono(), RATE_HZ) == pytest.approx(440, abs=2)
    # Decoding block by block gives the same as decoding in one piece.
    np.testing.assert_array_equal(sound.mono(), read_recording(content).mono())


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "name"),
    [
        ("webm", "libopus", 48_000, "matroska"),
        ("mp4", "aac", 44_100, "mov"),
        ("adts", "aac", 44_100, "aac"),
        ("amr", "libopencore_amrnb", 8_000, "amr"),
    ],
)
def test_reads_what_browsers_and_phones_write(container, codec, rate_hz, name):
    sound = read_mono(by_ffmpeg(tone(2, rate_hz), rate_hz, container, codec), max_seconds=10)
    assert (sound.rate_hz, sound.channels, sound.container) == (rate_hz, 1, name)
    assert sound.seconds == pytest.approx(2, abs=0.06)  # codecs pad to whole frames
    assert loudest_hz(sound.mono(), rate_hz) == pytest.approx(440, abs=2)
    middle = sound.samples[rate_hz // 2 : -rate_hz // 2]
    assert np.abs(middle).max() == pytest.approx(0.4, abs=0.08)


def test_stereo_webm_is_averaged():
    sound = read_mono(by_ffmpeg(tone(), RATE_HZ, "webm", "libopus", layout="stereo"), max_seconds=10)
    assert sound.channels == 2
    assert sound.samples.shape[1] == 1


def test_reads_from_a_path_and_names_it_in_errors(tmp_path):
    (tmp_path / "a.webm").write_bytes(by_ffmpeg(tone(), RATE_HZ, "webm", "libopus"))
    assert read_mono(tmp_path / "a.webm", max_seconds=10).seconds == pytest.approx(1, abs=0.03)
    (tmp_path / "b.wav").write_bytes(b"nothing of the sort")
    with pytest.raises(DecodeError, match=r"b\.wav: not a sound file"):
        read_mono(tmp_path / "b.wav", max_seconds=10)


def test_hours_of_silence_in_a_few_bytes_are_not_unfolded():
    content = by_libsndfile(np.zeros(600 * 8000, np.float32), 8000, format="FLAC")
    assert len(content) < 100_000
    with pytest.raises(TooLongError, match="longer than 60 s"):
        read_mono(content, max_seconds=60)
    content = by_ffmpeg(np.zeros(60 * 8000, np.float32), 8000, "webm", "libopus")
    with pytest.raises(TooLongError):
        read_mono(content, max_seconds=10)


def test_a_high_rate_buys_no_more_memory():
    content = by_libsndfile(np.zeros(192_000 * 4, np.float32), 192_000, format="FLAC")
    with pytest.raises(TooLongError, match="at 192000 Hz"):
        read_mono(content, max_seconds=2)
    assert read_mono(content, max_seconds=16).seconds == 4


@pytest.mark.parametrize("lie", [0, 2**36 - 1])
def test_flac_with_a_missing_or_lying_length_is_read(lie):
    content = bytearray(by_libsndfile(tone(), format="FLAC"))
    content[21] = (content[21] & 0xF0) | (lie >> 32)
    content[22:26] = (lie & 0xFFFFFFFF).to_bytes(4, "big")
    assert read_mono(bytes(content), max_seconds=10).seconds == pytest.approx(1)


def test_wav_that_announces_two_gigabytes_is_read_as_far_as_it_goes():
    content = bytearray(by_libsndfile(tone(), format="WAV", subtype="PCM_16"))
    content[4:8] = content[40:44] = (2**31 - 1).to_bytes(4, "little")
    assert read_mono(bytes(content), max_seconds=10).seconds == pytest.approx(1)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(broken):
    samples = tone()
    samples[100] = broken
    with pytest.raises(DecodeError, match="1 of 48000 samples are NaN or infinite"):
        read_mono(by_libsndfile(samples, format="WAV", subtype="FLOAT"), max_seconds=10)


@pytest.mark.parametrize("rate_hz", [1, 1999, 1_000_000])
def test_rates_that_nothing_records_at_are_refused(rate_hz):
    with pytest.raises(DecodeError, match=f"sample rate of {rate_hz} Hz"):
        read_mono(by_libsndfile(tone(0.01), rate_hz, format="WAV"), max_seconds=10)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n",
        b"PK\x03\x04" + bytes(100),
        b"\x1a\x45\xdf\xa3" + bytes(100),
        b"\x00\x00\x00\x1cftypisom" + bytes(100),
        b"\xff\xf1" + bytes(100),
        b"OggS" + bytes(100),
    ],
)
def test_nothing_but_sound_is_opened(content):
    """Playlists above all must be refused: they name files and addresses that FFmpeg would fetch."""
    with pytest.raises(DecodeError):
        read_mono(content, max_seconds=10)


# libsndfile writes these, but soundfile's own `read` refuses them, because the number of frames is unknown.
UNCOUNTED = [
    ("WAV", "GSM610"),
    ("W64", "GSM610"),
    ("AIFF", "GSM610"),
    ("WAV", "G721_32"),
    ("AU", "G721_32"),
    ("AU", "G723_24"),
    ("AU", "G723_40"),
    ("WAV", "NMS_ADPCM_16"),
    ("WAV", "NMS_ADPCM_32"),
]


@pytest.mark.parametrize(("container", "subtype"), UNCOUNTED)
def test_codecs_that_count_no_frames_are_read_to_their_end(container, subtype):
    content = by_libsndfile(tone(1.0, 8_000), 8_000, format=container, subtype=subtype)
    for recording in (read_recording(content), read_mono(content)):
        assert recording.seconds == pytest.approx(1.0, abs=0.05)  # whole blocks
        assert recording.partial is None
        assert loudest_hz(recording.mono(), 8_000) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    "raised",
    [ValueError("?"), RuntimeError(""), TypeError(), MemoryError(), OverflowError("?"), UnicodeError(), EOFError()],
)
def test_whatever_a_decoder_raises_is_one_error_that_names_the_file(monkeypatch, raised):
    def fail(*arguments, **options):
        raise raised

    au, wav = by_libsndfile(tone(), format="AU"), by_libsndfile(tone(), format="WAV")
    monkeypatch.setattr(soundfile, "SoundFile", fail)
    with pytest.raises(DecodeError, match=r"^a/b\.au: not a sound file"):
        read_recording(au, name="a/b.au")
    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(DecodeError, match=r"^a/b\.wav: not a sound file that FFmpeg reads as wav: "):
        read_mono(wav, name="a/b.wav")


def test_a_disk_that_fails_is_no_bad_file(tmp_path, monkeypatch):
    content = by_libsndfile(tone(), format="WAV")

    class Failing(io.BytesIO):
        def readinto(self, buffer):
            if self.tell() > 4096:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    monkeypatch.setattr(type(tmp_path), "open", lambda path, mode: Failing(content))
    with pytest.raises(OSError, match="Input/output error"):
        read_mono(tmp_path / "a.wav")


CHAINED = {
    "flac": lambda rate_hz, channels: by_libsndfile(stereo(rate_hz)[:, :channels], rate_hz, format="FLAC"),
    "vorbis": lambda rate_hz, channels: by_libsndfile(
        stereo(rate_hz)[:, :channels], rate_hz, format="OGG", subtype="VORBIS"
    ),
    "opus": lambda rate_hz, channels: by_libsndfile(
        stereo(rate_hz)[:, :channels], rate_hz, format="OGG", subtype="OPUS"
    ),
    "mp3": lambda rate_hz, channels: by_libsndfile(stereo(rate_hz)[:, :channels], rate_hz, format="MP3"),
    "mp3 without a length": lambda rate_hz, channels: by_ffmpeg(
        tone(1, rate_hz),
        rate_hz,
        "mp3",
        "libmp3lame",
        layout="mono" if channels == 1 else "stereo",
        write_xing="0",
        id3v2_version="0",
    ),
    "aac": lambda rate_hz, channels: by_ffmpeg(
        tone(1, rate_hz), rate_hz, "adts", "aac", layout="mono" if channels == 1 else "stereo"
    ),
}


def stereo(rate_hz, hz=440.0):
    return np.stack([tone(1, rate_hz, hz)] * 2, axis=1)


@pytest.mark.parametrize("second", [(16_000, 1), (48_000, 2), (24_000, 1)], ids=str)
@pytest.mark.parametrize("codec", CHAINED)
def test_recordings_behind_one_another_are_heard_as_one(codec, second):
    first = CHAINED[codec](16_000, 1)
    joined = first + CHAINED[codec](*second)
    one, both = read_recording(first), read_recording(joined)
    assert (both.rate_hz, both.channels, both.partial) == (16_000, 1, None)
    assert both.seconds == pytest.approx(2 * one.seconds, abs=0.15)
    # At double speed it would be twice as high.
    assert loudest_hz(both.mono()[len(both.samples) // 2 :], 16_000) == pytest.approx(440, abs=4)
    np.testing.assert_allclose(read_mono(joined).mono(), both.mono(), atol=1e-6)


def test_a_part_with_fewer_channels_is_heard_in_all_of_them():
    joined = by_libsndfile(stereo(16_000), 16_000, format="FLAC") + by_libsndfile(
        tone(1, 16_000), 16_000, format="FLAC"
    )
    both = read_recording(joined)
    assert both.samples.shape == (32_000, 2)
    np.testing.assert_array_equal(both.samples[16_000:, 0], both.samples[16_000:, 1])


def test_a_part_that_cannot_be_read_is_left_out_and_said():
    first, second = (by_libsndfile(tone(1, 16_000), 16_000, format="FLAC") for _ in range(2))
    recording = read_recording(first + second[:42] + bytes(100))
    assert recording.seconds == pytest.approx(1.0)
    assert recording.partial is not None


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "aac", {"movflags": "empty_moov+default_base_moof+frag_keyframe", "frag_duration": "100000"}),
        ("adts", "aac", {}),
        ("webm", "libopus", {}),
        ("flac", "flac", {}),
        ("mp3", "libmp3lame", {}),
        ("ogg", "libopus", {"page_duration": "100000"}),
        ("amr", "libopencore_amrnb", {}),
        ("wav", "g722", {}),
        ("caf", "adpcm_ima_qt", {}),
    ],
)
def test_of_a_cut_file_what_is_there_is_heard_and_the_rest_is_said_to_be_missing(container, codec, options):
    rate_hz = 8_000 if "amr" in codec else 48_000 if "opus" in codec else 16_000
    whole = by_ffmpeg(tone(4, rate_hz), rate_hz, container, codec, **options)
    assert read_mono(whole).partial is None
    cut = read_mono(whole[: len(whole) // 2 + 7])
    assert cut.partial
    assert 1.2 < cut.seconds < 2.6


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("adts", "aac"), ("flac", "flac")])
def test_of_a_damaged_file_what_can_be_decoded_is_heard(container, codec):
    whole = by_ffmpeg(
        tone(4, 16_000) + 0.05 * np.random.default_rng(0).normal(size=64_000).astype("f4"), 16_000, container, codec
    )
    damaged = bytearray(whole)
    middle = len(damaged) // 2
    damaged[middle : middle + 200] = np.random.default_rng(1).bytes(200)
    heard = read_recording(bytes(damaged))
    assert heard.partial
    assert 2.5 < heard.seconds < 4.1


def test_an_mp4_without_its_index_is_refused():
    whole = by_ffmpeg(tone(2, 16_000), 16_000, "mp4", "aac")
    assert whole.index(b"moov") > len(whole) // 2
    with pytest.raises(DecodeError, match="without its index"):
        read_mono(whole[: len(whole) // 2])


def id3(length=600):
    return b"ID3\x04\x00\x00" + bytes([0, 0, length >> 7, length & 127]) + bytes(length)


@pytest.mark.parametrize("before", [b"", id3(), id3() + id3(20), bytes(3000), bytes(500) + id3(), id3() + bytes(500)])
@pytest.mark.parametrize("codec", ["mp3", "aac", "mp3 without a length"])
def test_tags_and_zeros_before_the_first_frame_are_passed_over(codec, before):
    plain = CHAINED[codec](16_000, 1)
    heard = read_recording(before + plain)
    assert heard.partial is None
    np.testing.assert_array_equal(heard.samples, read_recording(plain).samples)


def test_mp3_behind_something_unknown_is_found():
    plain = CHAINED["mp3"](16_000, 1)
    assert read_mono(b"HTTP/1.0 200 OK\r\n\r\n" + plain).seconds == pytest.approx(1.0)


def riff(tag, data, rate_hz, channels=1):
    form = struct.pack("<HHIIHHH", tag, channels, rate_hz, 16_000, 1, 16, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def caf_of_opus(samples):
    """A file as Apple's Voice Memos writes it. FFmpeg and libsndfile do not write this format."""
    packets = []
    with av.open(io.BytesIO(by_ffmpeg(samples, 48_000, "ogg", "libopus"))) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    chunks = {
        b"desc": struct.pack(">d4s5I", 48_000.0, b"opus", 0, 0, 960, 1, 0),
        b"pakt": struct.pack(">qqii", len(packets), 960 * len(packets) - 312, 312, 0)
        + b"".join(bytes([0x80 | len(packet) >> 7, len(packet) & 0x7F]) for packet in packets),
        b"data": bytes(4) + b"".join(packets),
    }
    content = (name + struct.pack(">q", len(chunk)) + chunk for name, chunk in chunks.items())
    return b"caff\x00\x01\x00\x00" + b"".join(content)


def without_ftyp(content):
    """A QuickTime file that begins with its sound, as old ones do; its index counts from the start of the file."""
    length = int.from_bytes(content[:4], "big")
    moved = bytearray(content)
    at = moved.index(b"stco") + 8
    for place in range(at + 4, at + 4 + 4 * int.from_bytes(moved[at : at + 4], "big"), 4):
        moved[place : place + 4] = (int.from_bytes(moved[place : place + 4], "big") - length).to_bytes(4, "big")
    return bytes(moved[length:])


CONTAINERS = {
    "CAF with IMA4": (lambda: by_ffmpeg(tone(1, 16_000), 16_000, "caf", "adpcm_ima_qt"), "caf", 16_000),
    "CAF with Opus": (lambda: caf_of_opus(tone()), "caf", 48_000),
    "MOV without ftyp": (lambda: without_ftyp(by_ffmpeg(tone(1, 16_000), 16_000, "mov", "aac")), "mov", 16_000),
    "G.722 in WAV": (lambda: by_ffmpeg(tone(1, 16_000), 16_000, "wav", "g722"), "wav", 16_000),
    "AAC in WAV": (lambda: riff(0x1600, CHAINED["aac"](16_000, 1), 16_000), "wav", 16_000),
    "MP3 in WAV": (lambda: riff(0x55, CHAINED["mp3 without a length"](16_000, 1), 16_000), "WAV", 16_000),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_more_containers_of_phones_and_recorders_are_read(name):
    make, container, rate_hz = CONTAINERS[name]
    recording = read_recording(make())
    assert (recording.container.upper(), recording.rate_hz, recording.partial) == (container.upper(), rate_hz, None)
    assert recording.seconds == pytest.approx(1, abs=0.15)
    assert loudest_hz(recording.mono(), rate_hz) == pytest.approx(440, abs=4)


def test_a_codec_that_is_not_named_is_not_decoded():
    with pytest.raises(DecodeError, match="codec"):
        read_mono(by_ffmpeg(tone(1, 8_000), 8_000, "matroska", "real_144"))


@pytest.mark.parametrize("gain", [1.0, 0.9])
@pytest.mark.parametrize("options", [{"format": "WAV"}, {"format": "OGG", "subtype": "OPUS"}], ids=str)
def test_of_channels_of_opposite_polarity_the_loudest_is_heard(options, gain):
    content = by_libsndfile(np.stack([-gain * tone(), tone()], axis=1), **options)
    heard = read_mono(content)
    assert (heard.channels, heard.samples.shape[1]) == (2, 1)
    assert [remark.name for remark in heard.remarks] == [OPPOSITE_POLARITY]
    assert np.abs(heard.mono()[4800:-4800]).max() == pytest.approx(0.4, abs=0.05)
    whole = read_recording(content)
    np.testing.assert_allclose(whole.mono(), heard.mono(), atol=1e-6)
    assert choose_channel(whole).channel == heard.channel


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_channel_is_heard_where_it_is_asked_for(channel):
    content = by_libsndfile(np.stack([tone(hz=300), tone(hz=900)], axis=1), format="FLAC")
    heard = read_mono(content, channel=channel)
    assert loudest_hz(heard.mono(), RATE_HZ) == pytest.approx(300 if channel == 0 else 900, abs=2)
    assert heard.channel == min(channel, 1)
    assert [remark.name for remark in heard.remarks] == ([FEWER_CHANNELS] if channel == 2 else [])
    same = choose_channel(read_recording(content), channel)
    np.testing.assert_array_equal(same.samples, heard.samples)
    assert (same.channel, same.remarks) == (heard.channel, heard.remarks)


def test_many_channels_take_no_more_memory_than_their_mix():
    content = by_libsndfile(np.zeros((4_000, 200), np.float32), 8_000, format="WAV")
    assert read_mono(content).samples.shape == (4_000, 1)
    with pytest.raises(TooLongError, match="200 channels"):
        read_recording(content, max_samples=100_000)


def test_a_pipe_is_read_whole(tmp_path):
    import os
    import threading

    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = by_libsndfile(tone(), format="WAV")
    writing = threading.Thread(target=path.write_bytes, args=(content,))
    writing.start()
    assert read_mono(path).seconds == 1
    writing.join()


def test_resampling_keeps_the_pitch_and_leaves_equal_rates_alone():
    samples = tone()
    assert resample(samples, RATE_HZ, RATE_HZ) is samples
    assert loudest_hz(resample(samples, RATE_HZ, 16_000), 16_000) == pytest.approx(440, abs=1)
