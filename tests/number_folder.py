"""A folder of one's own with a number per image, and settings that fit."""

import cv2
import numpy as np
import pandas as pd

COUNT = 60
CONFIG = """\
labels:
  age: {kind: number, unit: years, limits: [0, 120], column: years}
  side: {classes: [left, right]}
"""
SETTINGS = {
    "architecture": "unet",
    "arguments": {"width": 4, "depth": 3},
    "epochs": 10,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "augmentation": 0,
    "hidden_units": 16,
    "convolutions": (),
    "dropout": 0.0,
    "precision": "float32",
    "fractions": (0.6, 0.2, 0.2),
}


def draw(rng, years, right):
    """A square that is the brighter the older, left or right."""
    image = rng.normal(40, 3, (32, 32))
    columns = slice(18, 28) if right else slice(4, 14)
    image[10:22, columns] += 2 * years
    return image.clip(0, 255).astype(np.uint8)


def write_folder(folder, config=CONFIG):
    """Images, a table with ages (one unknown), and its description."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(3)
    rows = []
    for number in range(COUNT):
        years = round(float(rng.uniform(20, 90)), 1)
        image = draw(rng, years, number % 2)
        cv2.imwrite(str(folder / "images" / f"i{number:02}.png"), image)
        rows.append(
            {
                "image": f"i{number:02}",
                "patient": f"p{number // 2}",
                "years": "" if number == 7 else years,
                "side": ("left", "right")[number % 2],
                "grade": int((years - 20) // 14),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    (folder / "tasks.yaml").write_text(config)
    return folder
