from small_folders import write_run  # noqa: F401
