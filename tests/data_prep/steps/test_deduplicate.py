from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from data_prep.records import DropLog, Example
from data_prep.steps import deduplicate as step


def test_a_picture_belongs_to_the_concept_with_the_shortest_english_name(example, run):
    france = example(picture=b"flag", concept="france", captions_en=("France",))
    island = example(picture=b"flag", concept="clipperton-island", captions_en=("Clipperton Island",))
    for order in ((france, island), (island, france)):
        passed, drops, _ = run(step, *order)
        assert passed == [france]
        assert drops == [("clipperton-island (= france)", "its picture is that of another concept too")]


def test_the_same_picture_with_the_same_captions_is_kept_once_and_with_others_twice(example, run, tmp_path):
    (tmp_path / "dog.png").write_bytes(b"dog")
    first, again, other = (
        example(picture=b"dog"),
        example(picture=tmp_path / "dog.png", variant="copy"),
        example(picture=b"dog", captions=("jibwa",)),
    )
    passed, drops, _ = run(step, first, again, other)
    assert passed == [first, other]
    assert drops == [("dog/copy", "the same picture with the same captions is there already")]


def test_a_picture_file_that_is_gone_is_dropped_with_the_reason(example, run, tmp_path):
    _, drops, _ = run(step, example(picture=tmp_path / "gone.png"))
    assert drops == [("dog", "the picture cannot be read: No such file or directory")]


CONCEPTS = st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.sampled_from(["a", "bb", "cc", "ddd"]), st.booleans())


@given(st.lists(CONCEPTS, max_size=12))
def test_each_picture_has_one_concept_whatever_the_language_has_captions_for(rows):
    def owners(captioned: bool) -> dict[bytes, set[str]]:
        examples = [
            Example(picture, ("x",) if has or captioned else (), concept, "s", "", "", captions_en=(concept,))
            for picture, concept, has in rows
        ]
        found: dict[bytes, set[str]] = {}
        for example in step.apply(iter(examples), DropLog()):
            assert isinstance(example.picture, bytes)
            found.setdefault(example.picture, set()).add(example.concept)
        return found

    assert owners(True) == owners(False)
    assert all(len(concepts) == 1 for concepts in owners(True).values())
