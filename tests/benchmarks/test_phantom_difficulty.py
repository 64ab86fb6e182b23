import re

from benchmarks import phantom_difficulty


def test_each_seed_gives_a_row(tmp_path, capsys):
    phantom_difficulty.main(
        ["--difficulty", "hard", "--network", "new", "--seeds", "0", "1"]
        + ["--train", "18", "--validate", "6", "--test", "12"]
        + ["--size", "32", "--steps", "2", "--work", str(tmp_path)]
    )
    rows = [
        re.sub(r"\d\.\d{3}", "AUC", row)
        for row in capsys.readouterr().out.splitlines()
        if row.startswith("| egd-cxr")
    ]
    assert rows == [f"| egd-cxr | hard | new | {seed} | AUC |" for seed in "01"]
    # The phantoms are kept for another network.
    assert len(list(tmp_path.iterdir())) == 2
