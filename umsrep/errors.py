"""The one error a user meets.

Every message has three parts: what was received, what was expected, and what
to do about it. The command line prints it as one line; Python users catch
`UmsrepError` (a `ValueError`).
"""


class UmsrepError(ValueError):
    """Something the user can fix: a file, an argument, a folder.

    The message names the file or argument, says what was expected, and ends
    with what to do.
    """
