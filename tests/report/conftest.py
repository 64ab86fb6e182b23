from small_folders import (  # noqa: F401
    four,
    shared_four,
    write_evaluation,
    write_run,
)
