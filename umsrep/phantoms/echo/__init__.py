"""Synthetic Doppler echocardiography with known velocities.

physiology.py   one patient's velocities and times, with their sources
waves.py        when the waves of a flow come, and their shapes
recording.py    a strip's frame, velocity scale and faults
scene.py        all of these for one strip
flows.py        spectral power of each flow
spectrum.py     aliasing, wall filter, speckle, gain
furniture.py    scale, baseline, ECG, texts
strip.py        the picture, its mask and the truth
folder.py       a set of strips on disk
"""

from umsrep.phantoms.echo.folder import write_echo
from umsrep.phantoms.echo.recording import QUALITIES
from umsrep.phantoms.echo.strip import EchoStrip, draw_strip
from umsrep.phantoms.echo.waves import FLOWS

__all__ = ["FLOWS", "QUALITIES", "EchoStrip", "draw_strip", "write_echo"]
