from __future__ import annotations

import pytest

from data_prep.sources._coco import CocoPictures, Flickr30kPictures


@pytest.mark.parametrize(
    "place",
    [
        "val2014/COCO_val2014_000000391895.jpg",
        "images/val2014/COCO_val2014_000000391895.jpg",
        "coco/images/train2014/COCO_train2014_000000391895.jpg",
        "coco/val2014/COCO_val2014_000000391895.jpg",
        "COCO_val2014_000000391895.jpg",
        "train2017/000000391895.jpg",
        "coco/train2017/000000391895.jpg",
        "images/000000391895.jpg",
    ],
)
@pytest.mark.parametrize("name", ["COCO_val2014_000000391895.jpg", "val2014/COCO_val2014_000000391895.jpg", 391895])
def test_a_picture_of_coco_is_found_by_its_number_wherever_coco_is_unpacked(lay, place, name):
    root = lay({place: b"x"})
    pictures = CocoPictures(root)
    assert pictures.find(name) == root / place
    assert pictures.find("COCO_val2014_000000391896.jpg") is None
    assert pictures.find("../391895.txt") is None


def test_the_first_place_is_2014s(lay):
    root = lay({"train2017/000000000009.jpg": b"", "train2014/COCO_train2014_000000000009.jpg": b""})
    assert CocoPictures(root).find("000000000009.jpg") == root / "train2014" / "COCO_train2014_000000000009.jpg"
    assert CocoPictures(root).any
    assert not CocoPictures(root / "train2014" / "nothing").any


@pytest.mark.parametrize("folder", ["", "flickr30k-images/", "images/", "flickr30k/Images/", "flickr30k_images/"])
def test_a_picture_of_flickr30k_is_found_by_its_name(lay, folder):
    root = lay({f"{folder}1000092795.jpg": b"x"})
    pictures = Flickr30kPictures(root)
    assert pictures.find("1000092795.jpg") == pictures.find("1000092795") == root / folder / "1000092795.jpg"
    assert pictures.find("1000092796.jpg") is None
