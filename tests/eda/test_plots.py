"""Every picture of the exploration: readable, in the order of the emotions, and drawn from any mix of corpora."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from deepemo.charts.colours import COLOURS
from deepemo.charts.style import save
from deepemo.eda.explore import explore
from deepemo.eda.likeness import tell_pairs
from deepemo.eda.measure import Measurements, MonoClip
from deepemo.eda.page import summarize, tabulate
from deepemo.eda.plots import Findings, Plot, all_plots
from deepemo.eda.plots_clips import (
    draw_class_balance,
    draw_coverage,
    draw_frames,
    draw_gender_balance,
    draw_lengths,
    draw_rates,
    draw_speaker_balance,
)
from deepemo.eda.plots_examples import draw_resampled, draw_spectrograms, draw_views, explore_spec, features_of
from deepemo.eda.plots_sound import draw_loudness, draw_pitch, draw_spectra
from deepemo.eda.recommend import recommend
from deepemo.emotions import EMOTIONS
from deepemo.params import Eda, ViewStrength

STRENGTH = ViewStrength(snr_db=10.0, stretch=1.2, pitch_semitones=2.0)
EDA = Eda(coverage=0.8, measured_clips=7, silent_below_db=40.0, resample_hz=[8000, 16000], views=STRENGTH)
MIXES = [("only",), ("east", "west"), ("a", "b", "c"), tuple(f"corpus_{letter}" for letter in "abcdefghij")]


def findings(measured: Measurements, sounds: Mapping[str, MonoClip]) -> Findings:
    clips = measured.table
    examples = clips.drop_duplicates("emotion")
    return Findings(
        clips=clips,
        measurements=measured,
        recommendation=recommend(clips, EDA.coverage),
        apart=tell_pairs(measured),
        examples=examples,
        sounds={emotion: sounds[emotion] for emotion in EMOTIONS if emotion in set(examples["emotion"])},
        eda=EDA,
        seed=1,
    )


def shown(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible() and axes.axison]


def named(labels: list[Text]) -> bool:
    return any(label.get_text()[:1].isalpha() for label in labels)


def drawn(mix: tuple[str, ...], explored: Callable[..., Measurements], sounds: Mapping[str, MonoClip]) -> list[Plot]:
    return list(all_plots(findings(explored(*mix), sounds)))


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES, ids=len)
def test_every_picture_has_a_title_axes_with_names_and_something_on_them(
    mix: tuple[str, ...], explored: Callable[..., Measurements], sounds: Mapping[str, MonoClip]
) -> None:
    for plot in drawn(mix, explored, sounds):
        figure = plot.draw()
        assert figure.get_suptitle(), plot.name
        panels = shown(figure)
        assert all(axes.has_data() for axes in panels), plot.name
        # Inner panels share the names of the outer ones.
        assert any(axes.get_xlabel() or named(axes.get_xticklabels()) for axes in panels), plot.name
        assert any(axes.get_ylabel() or named(axes.get_yticklabels()) for axes in panels), plot.name


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES, ids=len)
def test_nothing_written_is_cut_off_or_lies_over_a_title(
    mix: tuple[str, ...], explored: Callable[..., Measurements], sounds: Mapping[str, MonoClip]
) -> None:
    for plot in drawn(mix, explored, sounds):
        figure = plot.draw()
        FigureCanvasAgg(figure).draw()
        page = figure.bbox
        written = [figure._suptitle, figure._supxlabel, *figure.legends]
        written += [part for axes in shown(figure) for part in (axes.xaxis.label, axes.yaxis.label, axes.title)]
        for text in written:
            if text is None or (hasattr(text, "get_text") and not text.get_text()):
                continue
            box = text.get_window_extent()
            assert box.x0 >= page.x0 - 1, (plot.name, text)
            assert box.x1 <= page.x1 + 1, (plot.name, text)
            assert box.y0 >= page.y0 - 1, (plot.name, text)
            assert box.y1 <= page.y1 + 1, (plot.name, text)
        heads = [part for part in (figure._suptitle, figure._supxlabel) if part is not None]
        for head in heads:
            for legend in figure.legends:
                assert not head.get_window_extent().overlaps(legend.get_window_extent()), plot.name


def test_the_pictures_come_in_one_order_with_names_of_their_own(
    explored: Callable[..., Measurements], sounds: Mapping[str, MonoClip]
) -> None:
    found = drawn(("east", "west"), explored, sounds)
    assert len({plot.name for plot in found}) == len(found) == 18
    sections = [plot.section for plot in found]
    assert [name for place, name in enumerate(sections) if name not in sections[:place]] == [
        "Rate and length", "Balance", "How it sounds", "Single clips",
    ]  # fmt: skip
    assert sections == sorted(sections, key=sections.index)


@pytest.mark.slow
def test_a_picture_is_the_same_bytes_again(
    tmp_path: Path, explored: Callable[..., Measurements], sounds: Mapping[str, MonoClip]
) -> None:
    for run in ("one", "two"):
        for plot in drawn(("east", "west"), explored, sounds):
            if plot.name in {"coverage", "spectra", "views", "training_views"}:
                save(plot.draw(), tmp_path / run / f"{plot.name}.png")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_rates_are_shares_that_fill_each_bar(explored: Callable[..., Measurements]) -> None:
    clips = explored("east", "west").table
    for by, names in (("emotion", list(EMOTIONS)), ("corpus", ["east", "west"])):
        axes = draw_rates(clips, by).axes[0]
        widths = np.array([[bar.get_width() for bar in container] for container in axes.containers])
        np.testing.assert_allclose(widths.sum(axis=0), 1.0)
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert [label.split(" ")[0] for label in labels] == names


def test_lengths_stand_in_the_order_and_colours_of_the_emotions(explored: Callable[..., Measurements]) -> None:
    clips = explored("only").table
    figure = draw_lengths(clips, recommend(clips, 0.8))
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == list(EMOTIONS)
    for axes, emotion in zip(figure.axes, EMOTIONS, strict=True):
        assert axes.patches[0].get_facecolor() == to_rgba(COLOURS[emotion])
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1.0)


def test_coverage_falls_with_the_rate_and_grows_with_the_length(explored: Callable[..., Measurements]) -> None:
    clips = explored("east", "west").table
    rates, lengths = draw_coverage(clips, recommend(clips, 0.8)).axes
    for axes, sign in ((rates, -1), (lengths, 1)):
        curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) > 2]
        assert len(curves) == len(EMOTIONS)
        for curve in curves:
            assert (np.diff(np.asarray(curve, dtype=float)) * sign >= 0).all()


def test_frames_are_seconds_times_rate(explored: Callable[..., Measurements]) -> None:
    clips = explored("only").table.assign(seconds=2.0)
    axes = draw_frames(clips, [8000, 16000], recommend(clips, 0.8)).axes[0]
    assert {text.get_text() for text in axes.texts} == {"16,000", "32,000"}


def test_balance_counts_every_clip_once(explored: Callable[..., Measurements]) -> None:
    clips = explored("east", "west").table
    above, below = draw_class_balance(clips).axes
    assert sum(int(text.get_text().replace(",", "")) for text in above.texts) == len(clips)
    assert sum(int(text.get_text().replace(",", "")) for text in below.texts) == len(clips)
    assert len(draw_class_balance(explored("only").table).axes) == 1


def test_gender_shares_fill_each_class(explored: Callable[..., Measurements]) -> None:
    clips = explored("east", "west").table
    for axes, classes in zip(draw_gender_balance(clips).axes, (6, 7), strict=False):
        heights = np.array([[bar.get_height() for bar in container] for container in axes.containers]).sum(axis=0)
        assert heights.round(6).tolist() == [1.0] * classes + [0.0] * (7 - classes)


def test_each_speaker_has_a_column(explored: Callable[..., Measurements]) -> None:
    clips = explored("east", "west").table
    dots, heat, _ = draw_speaker_balance(clips).axes
    assert heat.images[0].get_array().shape == (len(EMOTIONS), 8)
    assert sorted(dots.lines[0].get_ydata()) == sorted(clips.groupby("speaker").size())


@pytest.mark.parametrize("draw", [draw_pitch, draw_spectra])
def test_clips_without_a_voice_or_spectrum_are_left_out(
    draw: Callable[[Measurements], Figure], explored: Callable[..., Measurements]
) -> None:
    measured = explored("only")
    spectra = measured.spectra.copy()
    spectra[:5] = np.nan
    table = measured.table.assign(pitch_hz=measured.table["pitch_hz"].where(measured.table["emotion"] != "sad"))
    assert draw(Measurements(table=table, spectra=spectra)).get_suptitle()


def test_loudness_has_a_box_a_class(explored: Callable[..., Measurements]) -> None:
    clips = explored("only").table
    axes = draw_loudness(clips).axes[0]
    medians = [
        line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1 and line.get_linewidth() == 1.4
    ]
    expected = clips.groupby("emotion")["rms_dbfs"].median()
    assert medians == pytest.approx([expected[emotion] for emotion in EMOTIONS])


def test_a_tone_lies_where_the_axis_says(sounds: Mapping[str, MonoClip]) -> None:
    rate_hz = 16000
    tone = MonoClip(np.sin(2 * np.pi * 2000 * np.arange(rate_hz) / rate_hz).astype(np.float32), rate_hz)
    for kind in ("spectrogram", "mel"):
        spec = explore_spec(kind, rate_hz, 1.0)
        axes = draw_spectrograms({"happy": tone}, spec, "").axes[0]
        loudest = features_of(tone, spec).mean(axis=0).argmax()
        place = (loudest + 0.5) / spec.bands * axes.get_ylim()[1]
        marks = {label.get_text(): tick for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
        wanted = marks["2"] if kind == "mel" else 2.0
        assert place == pytest.approx(wanted, abs=0.02 * axes.get_ylim()[1])


def test_resampled_pictures_end_at_half_their_rate(sounds: Mapping[str, MonoClip]) -> None:
    figure = draw_resampled(sounds["happy"], [16000, 8000], "")
    tops = [axes.images[0].get_extent()[3] for axes in figure.axes if axes.images and axes.get_title()]
    assert tops == [4.0, 8.0]


def test_masks_mute_the_waveform_where_they_blank_the_picture(sounds: Mapping[str, MonoClip]) -> None:
    spec = explore_spec("mel", 16000, 1.0)
    unchanged = ViewStrength(snr_db=10.0, stretch=1.0, pitch_semitones=0.0)
    figure = draw_views(sounds["happy"], spec, unchanged, seed=2, note="")
    wave, features = figure.axes[-2:]
    levels = np.abs(wave.lines[0].get_ydata()).reshape(spec.frames, -1).max(axis=1)
    blank = (features.images[0].get_array() <= -80).all(axis=0)
    assert 0 < blank.sum() < spec.frames
    np.testing.assert_array_equal(levels[1:-1] == 0, blank[1:-1])


def test_the_words_agree_with_the_figures(explored: Callable[..., Measurements]) -> None:
    measured = explored("east", "west")
    clips = measured.table
    recommendation = recommend(clips, 0.8)
    figures = explore(clips, measured, recommendation, tell_pairs(measured))
    text = " ".join(summarize(clips, figures, 0.8))
    assert f"{recommendation.sample_rate_hz:,} Hz and {recommendation.clip_seconds:g} s" in text
    assert f"{(clips['seconds'] <= 58837 / 24414).mean():.0%} of the clips are no longer" in text
    assert "The rarest class, surprise, has 40 clips" in text
    choice, voices = tabulate(clips, figures)
    assert choice.content.index.tolist() == list(EMOTIONS)
    assert (
        choice.content.loc["angry", "100%"]
        == f"16,000 Hz, {clips.loc[clips['emotion'] == 'angry', 'seconds'].max():.2f} s"
    )
    assert pd.to_numeric(voices.content["median level (dBFS)"]).between(-40, -10).all()
