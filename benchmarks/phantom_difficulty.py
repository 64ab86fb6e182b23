"""How well three networks tell the classes of synthetic chest X-rays.

python -m benchmarks.phantom_difficulty --layout egd-cxr --difficulty usual

Each set of phantoms is divided by patient: about 500 images to train on, 100
to validate on and 300 to test on. The level "usual" was chosen so that the
networks trained as a whole ("tuned", "new") reach an AUC of 0.85 to 0.9 on the
EGD-CXR layout.
"""

import argparse
import tempfile
from pathlib import Path

from umsrep.phantoms import LEVELS, phantom_data
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune
from umsrep.stages.settings import FinetuneSettings

# {layout: its task, options of its converter}.
LAYOUTS = {
    "egd-cxr": ("finding", {"fit": "pad"}),
    "rsna": ("finding", {}),
    "shenzhen": ("abnormality", {}),
    "montgomery": ("abnormality", {}),
}
_LITE0 = {
    "architecture": "efficientnet_lite0",
    "arguments": {"weights": "imagenet"},
}
_ALL_WEIGHTS = {"strategy": "separate"}
NETWORKS = {
    # A linear head on the frozen features of a pretrained network.
    "frozen": _LITE0,
    "tuned": _LITE0 | _ALL_WEIGHTS,
    # A narrow U-Net, trained from new weights.
    "new": {"architecture": "unet", "arguments": {"width": 8}} | _ALL_WEIGHTS,
}


def measure(network, data, task, fractions, out, seed, steps):
    """The AUC on test images, of the labels as they are in the files.

    Args:
        network: A name in `NETWORKS`.
        data: Prepared folder.
        task: Its label task.
        fractions: Shares of the patients to train, validate and test on.
        out: Folder for the run and its evaluation.
        seed: Of weights, split and order.
        steps: Optimizer steps of a network that is trained.
    """
    settings = dict(NETWORKS[network])
    if network != "frozen":
        settings["steps"] = steps
    finetune(
        data,
        [task],
        out / "run",
        settings=FinetuneSettings(fractions=fractions, seed=seed, **settings),
        progress=False,
    )
    found = evaluate_run(
        out / "run", data, out / "evaluation", "test", pictures=False
    )
    return found[task]["auc"]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.phantom_difficulty"
    )
    parser.add_argument("--layout", choices=LAYOUTS, default="egd-cxr")
    parser.add_argument("--difficulty", choices=LEVELS, default="usual")
    parser.add_argument(
        "--network", choices=NETWORKS, nargs="+", default=[*NETWORKS]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=500, help="Images.")
    parser.add_argument("--validate", type=int, default=100, help="Images.")
    parser.add_argument("--test", type=int, default=300, help="Images.")
    parser.add_argument("--size", type=int, default=128, help="In pixels.")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--work", type=Path, help="Folder to keep.")
    options = parser.parse_args(arguments)
    task, conversion = LAYOUTS[options.layout]
    parts = options.train, options.validate, options.test
    fractions = tuple(part / sum(parts) for part in parts)
    print("| layout | difficulty | network | seed | AUC |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            data = phantom_data(
                options.layout,
                options.work or Path(folder),
                sum(parts),
                options.size,
                seed,
                options.difficulty,
                **conversion,
            )
            for network in options.network:
                out = data.parent / network
                auc = measure(
                    network, data, task, fractions, out, seed, options.steps
                )
                print(
                    f"| {options.layout} | {options.difficulty} | {network} "
                    f"| {seed} | {auc:.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
