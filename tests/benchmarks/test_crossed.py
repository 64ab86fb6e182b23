from benchmarks import crossed


def test_the_page_gets_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(crossed, "SPREADS", {"patients vary": (1, 0, 1)})
    page = tmp_path / "page.md"
    first, last = crossed.MARKS
    page.write_text(f"before\n{first}\nold\n{last}\nafter\n")
    crossed.main(["--repetitions", "2", "--rankings", "1", "--page", str(page)])
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| means, patients vary |" in text
    assert "| AUC " in text
