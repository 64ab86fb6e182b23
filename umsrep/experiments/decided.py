"""Which settings a learning curve decides; without Keras."""

# What the curve decides, and why a candidate may not.
DECIDED = {
    "seed": "repeats have the seeds from the plan's 'seed' on",
    "split_seed": "all candidates have one split",
    "labelled_patients": "the plan's 'sizes' say it",
    "labelled_tasks": "all candidates share patients",
    "folds": "a curve has one test side; repeats draw other patients",
    "fold": "a curve has one test side; repeats draw other patients",
    "fractions": "all candidates have one split; write it in 'settings'",
    "steps": "all candidates have one budget; write it in 'settings'",
}
OF_A_CANDIDATE = ("fractions", "steps")
