"""The number format of layers.

Losses, sigmas, the softmax and the sigmoid of masks are always float32.
"""

import contextlib
from collections.abc import Iterator

import keras

from umsrep import backend
from umsrep.errors import UmsrepError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def native_bfloat16() -> bool:
    """Whether the processor (or an accelerator) computes in bfloat16."""
    if backend.has_accelerator():
        return True
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as info:
            for line in info:
                if line.startswith("flags"):
                    flags = set(line.split())
                    return bool(flags & {"amx_bf16", "avx512_bf16"})
    except OSError:
        pass
    return False


def use(precision: str = "auto") -> str:
    """Sets the number format of layers built from now on.

    Args:
        precision: "auto" (bfloat16 where the processor computes in it
            natively, else float32), "float32", "bfloat16" or "float16".

    Returns:
        The format that was set: `precision`, or what "auto" stands for here.
    """
    if precision not in PRECISIONS:
        raise UmsrepError(
            f"precision='{precision}' is unknown. Choose one of "
            f"{', '.join(PRECISIONS)}."
        )
    if precision == "auto":
        precision = "bfloat16" if native_bfloat16() else "float32"
    policy = precision if precision == "float32" else f"mixed_{precision}"
    keras.config.set_dtype_policy(policy)
    return precision


def native(precision: str | None) -> str | None:
    """What to compute in here, of a network that was trained in `precision`.

    Half precision takes many times longer where the processor does not compute
    in it; float32 is then nearest. None stays None.
    """
    if precision in ("bfloat16", "float16") and not native_bfloat16():
        return "float32"
    return precision


@contextlib.contextmanager
def using(precision: str | None) -> Iterator[None]:
    """Sets the number format for a while, such as to load a model.

    A network is built anew when it is loaded, in the format that is set then.

    Args:
        precision: As of `use`; None leaves what is set.
    """
    before = keras.config.dtype_policy()
    if precision is not None:
        use(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
