from small_runs import joint_run, scenes  # noqa: F401
