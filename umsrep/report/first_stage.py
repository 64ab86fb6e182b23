"""What the runs that learn a representation reached."""

from umsrep.evaluation import summary
from umsrep.report import diagnostics
from umsrep.report.embedding import embedded

# Columns of the table of representations that were learnt with labels.
CONSTRUCTION = ("accuracy", "f_score", "mcc", "auc")


def denoising(run, name):
    """What a denoiser restores: measures by noise, and triplets."""
    noises = (run.metrics or {}).get("denoised")
    noises = noises if isinstance(noises, dict) else {}
    rows = [
        {"noise": noise_name(noise)}
        | {
            column: summary.number(values.get(column))
            for measure in ("psnr", "ssim", "ms_ssim")
            for column in (f"noisy_{measure}", measure)
        }
        for noise, values in noises.items()
        if isinstance(values, dict)
    ]
    for row in rows:
        row["worse"] = diagnostics.worse(row)
    triplets = [
        {
            "noise": noise_name(triplet["noise"]),
            "first": triplet["noise"]
            not in [other["noise"] for other in run.triplets[:index]],
            "images": [
                (part, embedded(triplet[part]))
                for part in ("noisy", "denoised", "clean")
            ],
        }
        for index, triplet in enumerate(run.triplets)
    ]
    return {
        "name": name,
        "rows": rows,
        "worse": [row["noise"] for row in rows if row["worse"]],
        "triplets": triplets,
    }


def construction(run, name):
    """What a representation reached on the classes it was learnt on."""
    task = run.pretrained_task
    values = (run.metrics or {}).get(task)
    values = values if isinstance(values, dict) else {}
    return {
        "name": name,
        "task": task,
        **{
            column: summary.number(values.get(column))
            for column in ("images", "patients", *CONSTRUCTION)
        },
    }


def noise_name(noise):
    """ "gaussian_25" -> "Gaussian, σ = 25/255"."""
    kind, _, level = str(noise).partition("_")
    if kind == "gaussian" and level:
        return f"Gaussian, σ = {level}/255"
    return kind.capitalize() + (f" {level}" if level else "")
