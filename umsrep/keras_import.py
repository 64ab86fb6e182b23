"""What happens when Keras is imported, be it before or after umsrep.

`import umsrep` does not import Keras, which takes seconds. Two things must
hold all the same, whoever imports it and whenever:

- A saved model opens with `keras.saving.load_model` in safe mode, which knows
  registered classes only. So the classes that a file of umsrep begins with
  import all others when a file asks for them (`BeginsFile`), and until they are
  imported themselves stand-ins are registered for them.
- In a notebook, TensorFlow's notices are not the first thing shown.

`sys.meta_path` is where Python lets a package take part in the import of
another one.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import sys

from umsrep.notebook import in_notebook

# What a file may begin with: a model that umsrep saves, or a layer of
# the flat graph that `umsrep export` writes. {module: classes}
FIRST_CLASSES = {
    "umsrep.model": ("MultiTaskModel",),
    "umsrep.ensemble": ("Ensemble",),
    "umsrep.layers": (
        "BatchNormalization",
        "ClassMaps",
        "ConvBlock",
        "Focus",
        "IntensityNormalization",
        "SelfAttention",
        "TemperatureScaling",
        "WithOnes",
    ),
    "umsrep.export.layers": (
        "FrameImage",
        "FrameRestore",
        "GreyLevels",
    ),
}
# The modules that register what such a file may hold inside.
MODULES = (
    "umsrep.balancing",
    "umsrep.heads",
    "umsrep.layers",
    "umsrep.losses",
    "umsrep.representations",
    "umsrep.model",
    "umsrep.ensemble",
    "umsrep.training",
    "umsrep.export.layers",
)


def watch():
    """Prepares Keras for files of umsrep, now or when it is imported."""
    if "keras" in sys.modules:
        _register_stand_ins(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _Finder())


def import_classes():
    """Imports every class that a model file of umsrep may hold."""
    for module in MODULES:
        importlib.import_module(module)


class BeginsFile:
    """Mixin of a class that a file may begin with: it imports the others."""

    @classmethod
    def from_config(cls, config, **options):
        import_classes()
        return super().from_config(config, **options)


@contextlib.contextmanager
def silence():
    """Leaves out what is written to the terminal's standard error.

    TensorFlow writes notices about drivers and logging straight to it before
    any setting can silence them; a failing import still raises. Later ones
    are left out, too, unless TF_CPP_MIN_LOG_LEVEL asks for them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        saved = os.dup(2)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, null)
        os.dup2(null, 2)
        stack.callback(os.dup2, saved, 2)
        yield


class _StandIn:
    """A class of umsrep in Keras's registry, before it is imported."""

    def __init__(self, name, module):
        self.name, self.module = name, module

    def __repr__(self):
        return f"{self.module}.{self.name}"

    def from_config(self, config):
        module = importlib.import_module(self.module)
        return getattr(module, self.name).from_config(config)


def _register_stand_ins(keras):
    registered = keras.saving.get_custom_objects()
    for module, names in FIRST_CLASSES.items():
        for name in names:
            registered.setdefault(f"umsrep>{name}", _StandIn(name, module))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds Keras as Python does, and adds to its loading."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        with silence() if in_notebook() else contextlib.nullcontext():
            self.loader.exec_module(module)
        _register_stand_ins(module)
