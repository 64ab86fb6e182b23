from small_runs import joint_run, scenes, separate_run  # noqa: F401
