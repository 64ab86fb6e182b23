import numpy as np

from benchmarks import coverage


def test_the_page_gets_its_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "TRUTH", 20_000)
    page = tmp_path / "page.md"
    first, last = coverage.MARKS
    page.write_text(f"before\n{first}\nold\n{last}\nafter\n")
    coverage.main(
        ["--quick", "--repetitions", "2", "--resamples", "40"]
        + ["--page", str(page), "--out", str(tmp_path / "out")]
    )
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    for words in ("| auc ", "sign flips by patient", "2 repetitions"):
        assert words in text
    assert (tmp_path / "out" / "coverage.csv").exists()


def test_equal_models_are_of_one_law():
    rng = np.random.default_rng(0)
    images = coverage.draw(rng, 20_000, 0.85, 0.4, "3 images")
    assert abs(images.values()["auc"] - 0.85) < 0.01
    same = [images.ease[0::3], images.ease[1::3]]
    assert abs(np.corrcoef(same)[0, 1] - coverage.SHARED) < 0.03
