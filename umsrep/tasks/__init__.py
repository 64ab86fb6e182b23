"""What a kind of task is: everything that is different about it, in one file.

`of(spec)` is the kind of a `umsrep.data.TaskSpec`, bound to it; `get(name)`
the class registered under a name. `base.TaskKind` says what a kind states.
Nothing here needs Keras.
"""

from umsrep.tasks import attention, image, label, map, mask, number
from umsrep.tasks.base import (
    CELL,
    DERIVED,
    PICTURE,
    PairedTest,
    TaskKind,
    get,
    names,
    of,
    register,
    registry,
)
from umsrep.tasks.cell import CellKind
from umsrep.tasks.picture import PictureKind

__all__ = [
    "CELL",
    "DERIVED",
    "PICTURE",
    "CellKind",
    "PairedTest",
    "PictureKind",
    "TaskKind",
    "attention",
    "get",
    "image",
    "label",
    "map",
    "mask",
    "names",
    "number",
    "of",
    "register",
    "registry",
]
