from __future__ import annotations

from data_prep.sources.tsv import SOURCE
from tests.data_prep.sources.walking import walk


def test_quotation_marks_count_only_around_a_whole_cell(tmp_path, make_picture):
    (tmp_path / "a.png").write_bytes(make_picture())
    lines = [
        "image\tcaption",
        'a.png\t"Karibu" alisema',
        'a.png\t"Mbwa ""mkubwa"""',
        'a.png\t"Paka, na\tmbwa',
        'a.png\t"',
        'a.png\t"Paka" na "mbwa"',
    ]
    (tmp_path / "captions.tsv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    (dog,), drops = walk(SOURCE, "sw", tmp_path / "captions.tsv")
    assert dog.captions == ('"Karibu" alisema', 'Mbwa "mkubwa"', '"', '"Paka" na "mbwa"')
    assert (dog.source, dog.concept, dog.attribution) == ("tsv", "tsv-a", "captions.tsv")
    assert drops == [("captions.tsv:4", "the row has more or fewer cells than there are columns")]
