"""Synthetic Doppler strips: the truth they state, and its ranges."""

import collections

import numpy as np
import pytest
from echo_strips import NUMBERS, edge, inside_strip, strips
from scipy import ndimage, signal

from umsrep.phantoms.echo import FLOWS, draw_strip
from umsrep.phantoms.echo.furniture import ecg, tick_step
from umsrep.phantoms.echo.physiology import HEART_RATE, Physiology
from umsrep.phantoms.echo.recording import BEATS
from umsrep.phantoms.echo.scene import Scene
from umsrep.phantoms.echo.waves import WAVES

# Velocities and times


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("quality", ["good", "low"])
def test_peak_velocities_can_be_read_from_mask_and_scale(flow, quality):
    for strip in strips(flow, quality=quality):
        for wave in strip.truth["waves"]:
            if not wave["whole"]:
                continue
            side = np.sign(wave["velocity"])
            column = round(wave["column"])
            read = edge(strip, side)[column - 1 : column + 2].max()
            assert read == pytest.approx(abs(wave["velocity"]), rel=0.03)


def test_e_and_a_are_the_peaks_of_the_mitral_mask():
    """Whoever looks for peaks finds these and no others."""
    for strip in strips("MV"):
        curve = edge(strip, 1)
        peaks, _ = signal.find_peaks(np.pad(curve, 1), prominence=4)
        values = collections.defaultdict(list)
        for wave in strip.truth["waves"]:
            if wave["whole"]:
                away = np.abs(peaks - 1 - wave["column"])
                assert away.min() < 2
                peak = peaks[away.argmin()] - 1
                values[wave["name"]].append(curve[peak])
        # Nothing else is a peak but waves cut off by the strip's ends.
        found = sum(len(speeds) for speeds in values.values())
        assert found <= len(peaks) <= found + 2
        told = strip.truth["measurements"]
        early, late = np.mean(values["E"]), np.mean(values["A"])
        assert early == pytest.approx(told["E_cm_s"], rel=0.03)
        assert late == pytest.approx(told["A_cm_s"], rel=0.03)
        assert early / late == pytest.approx(told["E_A_ratio"], rel=0.04)


def test_tricuspid_vmax_is_the_depth_of_the_jets():
    for strip in strips("TR"):
        curve = edge(strip, -1)
        jets, count = ndimage.label(curve > 0)
        whole = [w for w in strip.truth["waves"] if w["whole"]]
        depths = [
            curve[jets == jets[round(wave["column"])]].max() for wave in whole
        ]
        assert len({jets[round(w["column"])] for w in whole}) == len(whole)
        assert len(whole) <= count <= len(whole) + 2
        told = strip.truth["measurements"]["TR_Vmax_cm_s"]
        assert np.mean(depths) == pytest.approx(told, rel=0.02)


def test_deceleration_time_is_the_slope_of_e_down_to_the_baseline():
    for strip in strips("MV", size=512):
        curve, step = edge(strip, 1), strip.truth["time"]["s_per_pixel"]
        told = strip.truth["measurements"]["deceleration_time_ms"]
        for wave in strip.truth["waves"]:
            if wave["name"] != "E" or not wave["whole"]:
                continue
            after = curve[round(wave["column"]) :]
            # The slope is straight before A begins.
            first, last = (
                np.argmax(after < part * after[0]) for part in (0.8, 0.4)
            )
            columns = np.arange(first, last)
            slope, start = np.polyfit(columns * step, after[columns], 1)
            assert -1000 * start / slope == pytest.approx(told, rel=0.05)


def test_every_wave_is_measured_in_every_strip():
    for flow in FLOWS:
        for number in range(80):
            scene = Scene.draw(3, number, flow, number)
            whole = collections.Counter(wave.name for wave in scene.whole)
            assert set(whole) == set(WAVES[flow])


def test_scale_printed_is_the_scale_stated():
    for flow in FLOWS:
        for number in NUMBERS:
            strip = draw_strip(2, number, flow, 256)
            recording = strip.parameters["recording"]
            scale = strip.truth["velocity"]
            rows, columns = inside_strip(strip)
            left = recording["scale_left"]
            column = columns.start - 3 if left else columns.stop + 2
            bright = strip.image[rows, column] > 60
            marks, count = ndimage.label(bright)
            found = (
                rows.start
                + np.array(
                    ndimage.center_of_mass(bright, marks, range(1, count + 1))
                )[:, 0]
            )
            step = tick_step(scale["highest"] - scale["lowest"])
            numbers = np.arange(
                np.ceil(scale["lowest"] / step),
                scale["highest"] // step + 1,
            )
            expected = (
                scale["baseline_row"] - numbers * step / scale["cm_s_per_pixel"]
            )
            # Marks on the strip's very edge may fall outside the slice.
            expected = expected[
                (expected > rows.start + 1) & (expected < rows.stop - 2)
            ]
            gaps = np.abs(found[:, None] - expected[None])
            assert gaps.min(axis=0).max() < 1


# Physiology


def test_patients_are_within_the_stated_ranges():
    people = [Physiology.draw(np.random.default_rng([n])) for n in range(600)]
    grades = collections.Counter(person.grade for person in people)
    assert min(grades.values()) > 40
    for person in people:
        ratio = person.e / person.a
        assert HEART_RATE[0] <= person.heart_rate <= HEART_RATE[1]
        assert 30 < person.e <= 130
        assert 20 < person.a <= 125
        assert 0.11 < person.deceleration < 0.27
        assert 0.12 <= person.conduction <= 0.20
        assert 3 <= person.systolic <= 12
        assert 2.9 < person.late <= 12
        assert 190 <= person.tricuspid <= 440
        reduced = person.early < {"septal": 7, "lateral": 10}[person.wall]
        if person.grade == "normal":
            assert ratio > 0.8
            assert person.tricuspid <= 280
        elif person.grade == "impaired relaxation":
            assert ratio <= 0.8 + 1e-9
            assert person.deceleration > 0.2
            assert reduced
        elif person.grade == "pseudonormal":
            assert 0.8 < ratio < 2
            assert reduced
        else:
            assert ratio >= 2
            assert person.deceleration < 0.16
            assert reduced


def test_normal_e_to_a_falls_with_age():
    people = [Physiology.draw(np.random.default_rng([n])) for n in range(800)]
    normal = [p for p in people if p.grade == "normal"]
    young, old = (
        np.mean([p.e / p.a for p in normal if low <= p.age < high])
        for low, high in ((21, 41), (61, 90))
    )
    assert young == pytest.approx(1.53, abs=0.15)
    assert old == pytest.approx(0.96, abs=0.12)


def test_strips_show_two_to_six_beats_within_their_scale():
    for flow in FLOWS:
        for number in range(100):
            scene = Scene.draw(6, number, flow, number)
            beats = scene.recording.duration * scene.heart_rate / 60
            assert BEATS[0] * 0.95 <= beats <= BEATS[1] * 1.05
            peaks = [wave.velocity for wave in scene.shown]
            if not scene.aliased:
                assert min(peaks) >= scene.recording.lowest
                assert max(peaks) <= scene.recording.highest
            for name, side in WAVES[flow].items():
                found = [w.velocity for w in scene.shown if w.name == name]
                assert {np.sign(v) for v in found} == {side}


def test_waves_come_in_the_order_of_the_heart():
    """E after the T wave, A after P, the jet during systole."""
    for number in NUMBERS:
        for flow in FLOWS:
            scene = Scene.draw(6, number, flow, number)
            for wave in scene.shown:
                start = scene.beats[scene.beats <= wave.peak][-1]
                following = scene.beats[scene.beats > wave.peak][0]
                part = (wave.peak - start) / (following - start)
                if wave.name in ("s'", "TR"):
                    assert 0.1 < part < 0.45
                elif wave.name in ("E", "e'"):
                    assert 0.4 < part < 0.85
                else:
                    p_wave = following - scene.physiology.conduction
                    assert p_wave - 0.02 < wave.peak < following


def test_r_waves_are_at_the_beats():
    beats = np.array([-0.4, 0.5, 1.4, 2.3])
    times = np.arange(0, 2.2, 0.001)
    curve = ecg(times, beats, 0.16)
    peaks, _ = signal.find_peaks(curve, height=0.8)
    np.testing.assert_allclose(times[peaks] - 0.035, [0.5, 1.4], atol=0.003)
    p_wave = curve[(times > 1.4 - 0.16) & (times < 1.4 - 0.06)]
    assert p_wave.max() == pytest.approx(0.14, abs=0.03)


def test_strips_of_one_patient_share_the_heart():
    first, second = (draw_strip(1, n, "MV", 96, patient=40) for n in (1, 2))
    hearts = [dict(s.parameters["physiology"]) for s in (first, second)]
    rates = [heart.pop("heart_rate") for heart in hearts]
    assert hearts[0] == hearts[1]
    assert rates[0] != rates[1]
    assert rates[0] == pytest.approx(rates[1], rel=0.07)
    values = [s.truth["measurements"]["E_cm_s"] for s in (first, second)]
    assert values[0] == pytest.approx(values[1], rel=0.08)
