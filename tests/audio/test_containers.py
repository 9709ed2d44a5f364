import io

import av
import numpy as np
import pytest
import soundfile

from deepemo.audio.containers import TooLongError, read_sound
from deepemo.audio.decode import DecodeError, read_recording

RATE_HZ = 48_000


def tone(seconds=1.0, rate_hz=RATE_HZ, hz=440.0):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def by_libsndfile(samples, rate_hz=RATE_HZ, **options):
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, **options)
    return content.getvalue()


def by_ffmpeg(samples, rate_hz, container, codec, *, layout="mono", video=False):
    content = io.BytesIO()
    with av.open(content, "w", format=container) as output:
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
    sound = read_sound(content, max_seconds=10)
    assert (sound.rate_hz, sound.channels, sound.container) == (RATE_HZ, 2, container)
    assert loudest_hz(sound.samples, RATE_HZ) == pytest.approx(440, abs=2)
    # Block by block as in one piece.
    np.testing.assert_array_equal(sound.samples, read_recording(content).mono())


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
    sound = read_sound(by_ffmpeg(tone(2, rate_hz), rate_hz, container, codec), max_seconds=10)
    assert (sound.rate_hz, sound.channels, sound.container) == (rate_hz, 1, name)
    assert sound.seconds == pytest.approx(2, abs=0.06)  # codecs pad to whole frames
    assert loudest_hz(sound.samples, rate_hz) == pytest.approx(440, abs=2)
    middle = sound.samples[rate_hz // 2 : -rate_hz // 2]
    assert np.abs(middle).max() == pytest.approx(0.4, abs=0.08)


def test_stereo_webm_is_averaged():
    sound = read_sound(by_ffmpeg(tone(), RATE_HZ, "webm", "libopus", layout="stereo"), max_seconds=10)
    assert sound.channels == 2
    assert sound.samples.ndim == 1


def test_reads_from_a_path_and_names_it_in_errors(tmp_path):
    (tmp_path / "a.webm").write_bytes(by_ffmpeg(tone(), RATE_HZ, "webm", "libopus"))
    assert read_sound(tmp_path / "a.webm", max_seconds=10).seconds == pytest.approx(1, abs=0.03)
    (tmp_path / "b.wav").write_bytes(b"nothing of the sort")
    with pytest.raises(DecodeError, match=r"b\.wav: not a sound file"):
        read_sound(tmp_path / "b.wav", max_seconds=10)


def test_hours_of_silence_in_a_few_bytes_are_not_unfolded():
    content = by_libsndfile(np.zeros(600 * 8000, np.float32), 8000, format="FLAC")
    assert len(content) < 100_000
    with pytest.raises(TooLongError, match="longer than 60 s"):
        read_sound(content, max_seconds=60)
    content = by_ffmpeg(np.zeros(60 * 8000, np.float32), 8000, "webm", "libopus")
    with pytest.raises(TooLongError):
        read_sound(content, max_seconds=10)


def test_a_high_rate_buys_no_more_memory():
    content = by_libsndfile(np.zeros(192_000 * 4, np.float32), 192_000, format="FLAC")
    with pytest.raises(TooLongError, match="at 192000 Hz"):
        read_sound(content, max_seconds=2)
    assert read_sound(content, max_seconds=16).seconds == 4


@pytest.mark.parametrize("lie", [0, 2**36 - 1])
def test_flac_with_a_missing_or_lying_length_is_read(lie):
    content = bytearray(by_libsndfile(tone(), format="FLAC"))
    content[21] = (content[21] & 0xF0) | (lie >> 32)
    content[22:26] = (lie & 0xFFFFFFFF).to_bytes(4, "big")
    assert read_sound(bytes(content), max_seconds=10).seconds == pytest.approx(1)


def test_wav_that_announces_two_gigabytes_is_read_as_far_as_it_goes():
    content = bytearray(by_libsndfile(tone(), format="WAV", subtype="PCM_16"))
    content[4:8] = content[40:44] = (2**31 - 1).to_bytes(4, "little")
    assert read_sound(bytes(content), max_seconds=10).seconds == pytest.approx(1)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(broken):
    samples = tone()
    samples[100] = broken
    with pytest.raises(DecodeError, match="1 of 48000 samples are NaN or infinite"):
        read_sound(by_libsndfile(samples, format="WAV", subtype="FLOAT"), max_seconds=10)


@pytest.mark.parametrize("rate_hz", [1, 1999, 1_000_000])
def test_rates_that_nothing_records_at_are_refused(rate_hz):
    with pytest.raises(DecodeError, match=f"sample rate of {rate_hz} Hz"):
        read_sound(by_libsndfile(tone(0.01), rate_hz, format="WAV"), max_seconds=10)


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
    """Playlists least of all: they name files and addresses that FFmpeg would fetch."""
    with pytest.raises(DecodeError):
        read_sound(content, max_seconds=10)


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_are_read_or_refused_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    originals = [
        by_libsndfile(tone(0.3), format="WAV"),
        by_libsndfile(tone(0.3), format="FLAC"),
        by_libsndfile(tone(0.3), format="OGG", subtype="VORBIS"),
        by_libsndfile(tone(0.3), format="MP3"),
        by_ffmpeg(tone(0.3), RATE_HZ, "webm", "libopus"),
        by_ffmpeg(tone(0.3, 44_100), 44_100, "mp4", "aac"),
    ]
    for original in originals:
        for _ in range(15):
            damaged = bytearray(original[: rng.integers(1, len(original) + 1)])
            for position in rng.integers(0, len(damaged), 8):
                damaged[position] = rng.integers(256)
            try:
                assert len(read_sound(bytes(damaged), max_seconds=5).samples) <= 5 * RATE_HZ
            except (DecodeError, TooLongError):
                continue
