"""The numbers of one patient's heart, from published ranges.

Sources, by the names used below:
    2009: S. F. Nagueh, C. P. Appleton, T. C. Gillebert et al.,
        "Recommendations for the evaluation of left ventricular diastolic
        function by echocardiography", J Am Soc Echocardiogr 22:107-133, 2009;
        normal values by age: Table 1.
    2016: S. F. Nagueh, O. A. Smiseth, C. P. Appleton et al., the same title,
        "an update from the American Society of Echocardiography and the
        European Association of Cardiovascular Imaging", J Am Soc
        Echocardiogr 29:277-314, 2016.
    2010: L. G. Rudski, W. W. Lai, J. Afilalo et al., "Guidelines for the
        echocardiographic assessment of the right heart in adults", J Am Soc
        Echocardiogr 23:685-713, 2010.
    ESC/ERS 2015: N. Galie, M. Humbert, J.-L. Vachiery et al., "ESC/ERS
        guidelines for the diagnosis and treatment of pulmonary
        hypertension", Eur Heart J 37:67-119, 2016.
    Weissler: A. M. Weissler, W. S. Harris, C. D. Schoenfeld, "Systolic time
        intervals in heart failure in man", Circulation 37:149-159, 1968.
Values called plausible have no single source. The numbers serve teaching and
tests; they are not a reference for patients.
"""

from dataclasses import dataclass

import numpy as np

HEART_RATE = (50.0, 90.0)  # per minute; a resting heart, plausible
# Part of the deceleration time that passes before the A wave begins. Fused
# waves cannot be measured (2016), so the heart beats slowly enough.
_UNFUSED = 0.7
GRADES = ("normal", "impaired relaxation", "pseudonormal", "restrictive")
GRADE_SHARES = (0.45, 0.25, 0.18, 0.12)  # of patients referred, plausible
# Adults' normal values, mean and deviation (2009, Table 1): the ratio E/A,
# deceleration time, isovolumic relaxation time and duration of the A wave in
# ms, the annulus's e' in cm/s and e'/a'.
_NORMAL = {
    (21, 40): {
        "ratio": (1.53, 0.40),
        "deceleration": (166, 14),
        "relaxation": (67, 8),
        "a_duration": (127, 13),
        "septal": ((15.5, 2.7), (1.6, 0.5)),
        "lateral": ((19.8, 2.9), (1.9, 0.6)),
    },
    (41, 60): {
        "ratio": (1.28, 0.25),
        "deceleration": (181, 19),
        "relaxation": (74, 7),
        "a_duration": (133, 13),
        "septal": ((12.2, 2.3), (1.1, 0.3)),
        "lateral": ((16.1, 2.3), (1.5, 0.5)),
    },
    (61, 85): {
        "ratio": (0.96, 0.18),
        "deceleration": (200, 29),
        "relaxation": (87, 7),
        "a_duration": (138, 19),
        "septal": ((10.4, 2.1), (0.85, 0.2)),
        "lateral": ((12.9, 3.5), (0.9, 0.4)),
    },
}
# Ranges in diastolic dysfunction: E in cm/s, E/A, deceleration time and
# isovolumic relaxation time in ms, e' and a' in cm/s. Impaired relaxation has
# E/A <= 0.8 (with E <= 50 at normal pressure, 2016) and a deceleration time
# > 200; pseudonormal filling E/A between 0.8 and 2, 160 to 200; restrictive
# filling E/A >= 2, < 160 (2009, 2016). Reduced e' is < 7 at the septum, < 10 at
# the lateral wall (2016). The rest is plausible.
_DYSFUNCTION = {
    "impaired relaxation": {
        "e": (38, 65),
        "ratio": (0.5, 0.8),
        "deceleration": (205, 260),
        "relaxation": (90, 115),
        "septal": (4.0, 6.9),
        "lateral": (5.5, 9.5),
        "late": (7.0, 11.0),
    },
    "pseudonormal": {
        "e": (70, 105),
        "ratio": (0.9, 1.8),
        "deceleration": (160, 200),
        "relaxation": (65, 90),
        "septal": (4.0, 6.5),
        "lateral": (5.5, 9.0),
        "late": (5.0, 9.0),
    },
    "restrictive": {
        "e": (85, 130),
        "ratio": (2.0, 3.0),
        "deceleration": (115, 158),
        "relaxation": (45, 65),
        "septal": (3.0, 5.5),
        "lateral": (4.0, 8.0),
        "late": (3.0, 5.5),
    },
}
_NORMAL_E = (60.0, 100.0)  # cm/s, plausible
_HIGHEST_A = 105.0  # cm/s, plausible
# Peak systolic annular velocity, cm/s; plausible.
_SYSTOLIC = {
    "normal": (7.0, 12.0),
    "impaired relaxation": (5.5, 9.0),
    "pseudonormal": (4.5, 8.0),
    "restrictive": (3.5, 6.5),
}
# Peak velocity of tricuspid regurgitation, cm/s: normal up to 2.8 m/s (2010,
# 2016); 2.9 to 3.4 and above suggest pulmonary hypertension (ESC/ERS 2015).
_TRICUSPID = {
    "normal": (190, 280),
    "impaired relaxation": (210, 300),
    "pseudonormal": (270, 360),
    "restrictive": (290, 440),
}


@dataclass(frozen=True)
class Physiology:
    """What all strips of one patient have in common.

    Attributes:
        age: Years.
        grade: One of `GRADES`, filling of the left ventricle.
        heart_rate: Beats per minute, in `HEART_RATE`.
        e, a: Peak velocities of the mitral inflow, cm/s.
        deceleration: Deceleration time of E, s: from its peak down the slope
            to the baseline.
        acceleration: From the onset of E to its peak, s (plausible).
        relaxation: Isovolumic relaxation time, s.
        a_duration: Duration of the A wave, s.
        wall: "septal" or "lateral", where the annulus is sampled.
        systolic, early, late: Peak speeds s', e', a' of the annulus, cm/s.
        tricuspid: Peak speed of tricuspid regurgitation, cm/s.
        jet_peak: When the regurgitation is fastest, part of its duration
            (plausible).
        conduction: PR interval, s; normal is 0.12 to 0.20.
    """

    age: int
    grade: str
    heart_rate: float
    e: float
    a: float
    deceleration: float
    acceleration: float
    relaxation: float
    a_duration: float
    wall: str
    systolic: float
    early: float
    late: float
    tricuspid: float
    jet_peak: float
    conduction: float

    @classmethod
    def draw(cls, rng):
        """One patient; see the top of this file for the ranges."""
        between = rng.uniform
        grade = str(rng.choice(GRADES, p=GRADE_SHARES))
        # Dysfunction is rare in the young (plausible).
        age = int(rng.integers(21 if grade == "normal" else 50, 86))
        wall = ("septal", "lateral")[rng.integers(2)]
        usual = next(v for ages, v in _NORMAL.items() if age <= ages[1])
        a_duration = _near(rng, *usual["a_duration"])
        if grade == "normal":
            e = between(*_NORMAL_E)
            ratio = max(_near(rng, *usual["ratio"]), 0.81)
            deceleration = _near(rng, *usual["deceleration"])
            relaxation = _near(rng, *usual["relaxation"])
            early = _near(rng, *usual[wall][0])
            late = np.clip(early / _near(rng, *usual[wall][1]), 5.0, 12.0)
        else:
            ranges = _DYSFUNCTION[grade]
            e = between(*ranges["e"])
            ratio = max(between(*ranges["ratio"]), e / _HIGHEST_A)
            deceleration = between(*ranges["deceleration"])
            relaxation = between(*ranges["relaxation"])
            early = between(*ranges[wall])
            late = between(*ranges["late"])
        acceleration = between(0.070, 0.100)
        filling = relaxation / 1000 + acceleration
        filling += (_UNFUSED * deceleration + a_duration) / 1000
        return cls(
            age=age,
            grade=grade,
            heart_rate=min(between(*HEART_RATE), _highest_rate(filling)),
            e=e,
            a=e / ratio,
            deceleration=deceleration / 1000,
            acceleration=acceleration,
            relaxation=relaxation / 1000,
            a_duration=a_duration / 1000,
            wall=wall,
            systolic=between(*_SYSTOLIC[grade]),
            early=float(early),
            late=float(late),
            tricuspid=between(*_TRICUSPID[grade]),
            jet_peak=between(0.42, 0.54),
            conduction=between(0.12, 0.20),
        )


def _highest_rate(filling):
    """Beats per minute that leave `filling` seconds after aortic closure.

    interval = 0.546 - 0.0021 * 60 / interval + filling (Weissler), solved.
    """
    half = (0.546 + filling) / 2
    return 60 / (half + np.sqrt(half**2 - 0.126))


def electromechanical_systole(interval):
    """Onset of the QRS complex to aortic closure, s (Weissler, men).

    546 - 2.1 x heart rate, in ms.

    Args:
        interval: From beat to beat, s.
    """
    return 0.546 - 0.0021 * 60 / interval


def pre_ejection_period(interval):
    """Onset of the QRS complex to ejection, s (Weissler): 131 - 0.4 x rate."""
    return 0.131 - 0.0004 * 60 / interval


def _near(rng, mean, deviation):
    """A normal draw within 1.5 deviations."""
    return mean + deviation * float(np.clip(rng.normal(), -1.5, 1.5))
