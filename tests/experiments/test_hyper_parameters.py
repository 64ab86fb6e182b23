import math

from umsrep.experiments.hyper_parameters import hyper_parameters
from umsrep.recipes import gg_cam


def test_what_each_network_of_the_paper_is_trained_with():
    chosen = gg_cam.candidates(
        "finding",
        gg_cam.preset("paper"),
        ("resnet50", "efficientnetv2s"),
        "gaze",
    )
    gaze = {"gaze": {"sigma_pixels": [75.5, 75.5]}}
    table = hyper_parameters(chosen, gaze)
    assert list(table) == [one.name for one in chosen]
    assert list(table.loc["Learning rate"]) == ["0.005"] * 2 + ["0.006"] * 2
    assert set(table.loc["P, epochs without a gain"]) == {"40"}
    assert set(table.loc["Optimizer"]) == {"adam"}
    # Plain networks have neither sigma nor blur.
    assert list(table.loc["Initial σ of the attention"]) == [
        "–",
        f"{math.exp(-20):.3g}",
        "–",
        f"{math.exp(-16):.3g}",
    ]
    blur = "Blur of the gaze, σ in pixels of the original"
    assert list(table.loc[blur]) == ["–", "75.5"] * 2


def test_anatomy_has_no_blur():
    sources = {"pneumonia": "lung", "enlarged_heart": "gaze"}
    chosen = gg_cam.candidates("finding", gg_cam.preset(), ("unet",), sources)
    gaze = {"gaze": {"sigma_pixels": [30.0, 42.5]}}
    column = hyper_parameters(chosen, gaze)["unet GG-CAM"]
    assert column["Maps supervised by"] == "lung / gaze"
    blur = "Blur of the gaze, σ in pixels of the original"
    assert column[blur] == "30 to 42.5"
    assert hyper_parameters(chosen)["unet GG-CAM"][blur] == "–"
