from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_prep import pictures
from data_prep.pictures import MAX_SIDE, PictureError, canonical, decode, read
from data_prep.records import Cell, Region, Slice

LEFT_RED = np.zeros((40, 60, 3), np.uint8)
LEFT_RED[:, :30, 0] = 255


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixel(data: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    found = decode(data).getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def svg(body: str, root: str = 'viewBox="0 0 100 50"') -> bytes:
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {spaces} {root}>{body}</svg>".encode()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_lossless_formats_give_their_very_pixels(kind):
    data = encode(Image.fromarray(LEFT_RED), kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(np.asarray(decode(data)), LEFT_RED)


def test_a_file_and_its_bytes_decode_alike(tmp_path):
    data = encode(Image.fromarray(LEFT_RED))
    (tmp_path / "a.png").write_bytes(data)
    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "a.png")), np.asarray(decode(data)))


def test_sixteen_bit_grey_is_scaled_not_clipped():
    values = np.array([[0, 257 * 64], [257 * 128, 65535]], np.uint16).repeat(10, 0).repeat(10, 1)
    found = np.asarray(decode(encode(Image.fromarray(values))))
    np.testing.assert_allclose(found[[0, 0, 10, 10], [0, 10, 0, 10], 0], [0, 64, 128, 255], atol=1)


def test_transparency_lies_on_white():
    clear = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    half = Image.new("RGBA", (9, 9), (0, 0, 0, 128))
    palette = Image.new("P", (9, 9), 1)
    palette.putpalette([0, 0, 0, 0, 255, 0])
    assert pixel(encode(clear)) == (255, 255, 255)
    assert pixel(encode(half)) == pytest.approx((127, 127, 127), abs=1)
    assert pixel(encode(palette)) == (0, 255, 0)
    assert pixel(encode(palette, transparency=1)) == (255, 255, 255)
    assert pixel(encode(palette, transparency=bytes([255, 128]))) == pytest.approx((127, 255, 127), abs=1)
    assert pixel(encode(Image.new("LA", (9, 9), (0, 0)))) == (255, 255, 255)


def test_cmyk_becomes_the_colour_it_prints():
    assert pixel(encode(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)) == pytest.approx(
        (0, 255, 255), abs=3
    )


def test_a_picture_taken_sideways_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    found = np.asarray(decode(encode(Image.fromarray(LEFT_RED), "PNG", exif=exif)))
    np.testing.assert_array_equal(found, np.rot90(LEFT_RED, -1))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    assert pixel(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])) == (255, 0, 0)


def test_svg_is_drawn_whole_and_its_background_is_white():
    image = decode(svg('<rect width="50" height="50" fill="#00f"/>'))
    assert image.size == (MAX_SIDE, MAX_SIDE // 2)
    assert image.getpixel((10, 10)) == (0, 0, 255)
    assert image.getpixel((MAX_SIDE - 10, 10)) == (255, 255, 255)


@pytest.mark.parametrize("unit", ["", "px", "pt", "pc", "mm", "cm", "in"])
def test_svg_whose_size_has_a_unit_is_drawn_to_scale(unit):
    pixels = {"": 1, "px": 1, "pt": 96 / 72, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96}[unit]
    half = f'<rect width="{150 * pixels}" height="9999" fill="#00f"/>'
    image = decode(svg(half, f'width="300{unit}" height="150{unit}"'))
    assert image.size == (MAX_SIDE, MAX_SIDE // 2)
    row = np.asarray(image)[100, :, 0]
    assert np.count_nonzero(row == 0) == pytest.approx(MAX_SIDE / 2, abs=2)


@pytest.mark.parametrize(
    "root",
    [
        'viewBox="0 0 1 100000"',
        'viewBox="0 0 1 1" height="100000"',
        'width="1" height="1e9"',
        'width="1" height="1 "',
        "",
    ],
)
def test_svg_never_gets_larger_than_a_picture_may_be_whatever_it_says(root):
    for body in ('<rect width="1" height="99999"/>', '<rect width="99999" height="1"/>'):
        try:
            outcome: object = max(decode(svg(body, root)).size) <= MAX_SIDE
        except PictureError as error:
            outcome = str(error)
        assert outcome in (True, "the SVG cannot be drawn")


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 30,000 pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


NOISE = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8)))
NOISE_JPEG = encode(Image.open(io.BytesIO(NOISE)), "JPEG")
BAD = {
    "empty": (b"", "the picture file is empty"),
    "text": (b"no picture at all", "the picture is of no known format"),
    "cut PNG": (truncated(NOISE), "the picture is damaged or cut short"),
    "cut JPEG": (truncated(NOISE_JPEG), "the picture is damaged or cut short"),
    "cut GIF": (truncated(encode(Image.open(io.BytesIO(NOISE)), "GIF")), "the picture is damaged or cut short"),
    "wrong bytes": (NOISE[:60] + b"\0" * 400 + NOISE[460:], "the picture is damaged or cut short"),
    "bomb": (bomb(), "the picture has more than 64 million pixels"),
    "tiny": (encode(Image.new("RGB", (7, 300))), "the picture is smaller than 8 pixels"),
    "PDF": (b"%PDF-1.4\n", "the picture is of no known format"),
    "cut SVG": (truncated(svg("<rect/>" * 9)), "the SVG cannot be drawn"),
    "SVG not UTF-8": (svg("<title>caf\xe9</title>").decode().encode("latin-1"), "the SVG cannot be drawn"),
    "long SVG": (svg("<rect/>", 'viewBox="0 0 1 1000"'), "the picture is smaller than 8 pixels"),
}


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=list(BAD))
def test_what_cannot_be_used_says_why(data, reason):
    with pytest.raises(PictureError) as caught:
        canonical(data)
    assert str(caught.value) == reason


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "large.png"
    path.write_bytes(NOISE + bytes(1 << 20))
    with pytest.raises(PictureError, match="larger than 1 MiB"):
        decode(path)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(PictureError, match="cannot be read: No such file"):
        decode(tmp_path / "none.png")


@pytest.mark.parametrize(
    "element",
    [
        '<image href="{}"/>',
        "<image width='9' xlink:href = '{}'/>",
        '<image title="a > b" xlink:href="{}"/>',
        '<use href="{}#part"/>',
        '<filter id="f"><feImage href="{}"/></filter>',
        '<svg:image xmlns:svg="http://www.w3.org/2000/svg" href=" {}"/>',
        '<s-v:image xmlns:s-v="http://www.w3.org/2000/svg" href="{}"/>',
        '<é.v:image xmlns:é.v="http://www.w3.org/2000/svg" href="{}"/>',
    ],
)
@pytest.mark.parametrize("where", ["file", "http://127.0.0.1:1/x.png", "../x.png"])
def test_svg_that_refers_to_other_files_is_refused(tmp_path, element, where):
    if where == "file":
        where = str(tmp_path / "secret.png")
        Path(where).write_bytes(NOISE)
    with pytest.raises(PictureError, match="the SVG refers to other files"):
        decode(svg(element.format(where)))


def test_a_drawing_of_many_open_tags_is_looked_through_in_a_time_in_proportion_to_its_length():
    # A pattern that starts anew at each tag would take hours here; the suite would never end.
    with pytest.raises(PictureError, match="the SVG cannot be drawn"):
        decode(b"<svg " + b"<image " * 300_000)


def test_svg_may_refer_to_its_own_parts():
    body = '<defs><rect id="r" width="100" height="50" fill="#0f0"/></defs><use href="#r"/><a href="http://x.test/"/>'
    assert pixel(svg(body), 50, 50) == (0, 255, 0)


def test_the_canonical_form_is_a_small_rgb_png_named_by_its_digest():
    made = canonical(encode(Image.new("RGBA", (2000, 500), "green"), "WEBP", lossless=True))
    image = Image.open(io.BytesIO(made.data))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (MAX_SIDE, MAX_SIDE // 4))
    assert made.image_id == hashlib.sha256(made.data).hexdigest()[:16]
    assert canonical(made.data) == made


PICTURE = encode(Image.fromarray(LEFT_RED))


def test_a_picture_is_read_from_within_a_tar_and_from_a_table(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("a.txt", b"x" * 700), ("a.png", PICTURE)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with tarfile.open(tmp_path / "a.tar") as tar:
        found = tar.getmember("a.png")
    rows = [{"bytes": f"row {n}".encode(), "path": None} for n in range(7)]
    plain = [row["bytes"] for row in rows]
    rows[3] = {"bytes": None, "path": "elsewhere.png"}
    pq.write_table(pa.table({"image": rows, "plain": plain}), tmp_path / "a.parquet", row_group_size=3)
    assert read(Slice(tmp_path / "a.tar", found.offset_data, found.size)) == PICTURE
    assert [read(Cell(tmp_path / "a.parquet", n, "plain")) for n in (6, 0, 3)] == [b"row 6", b"row 0", b"row 3"]
    assert [read(Cell(tmp_path / "a.parquet", n, "image")) for n in (0, 2, 6)] == [b"row 0", b"row 2", b"row 6"]
    with pytest.raises(PictureError, match="there is no picture in its row"):
        read(Cell(tmp_path / "a.parquet", 3, "image"))
    with pytest.raises(PictureError, match="cannot be read"):
        read(Slice(tmp_path / "none.tar", 0, 5))


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ((0, 0, 30, 40), LEFT_RED[:, :30]),
        ((25, 10, 10, 5), LEFT_RED[10:15, 25:35]),
        ((-5, 30, 500, 500), LEFT_RED[30:]),
    ],
)
def test_a_region_is_cut_out_of_the_upright_picture(box, part):
    np.testing.assert_array_equal(np.asarray(decode(Region(PICTURE, box))), part)
    assert read(Region(PICTURE, box)) == PICTURE


@pytest.mark.parametrize("box", [(60, 0, 5, 5), (0, -9, 5, 9), (0, 0, 0, 4)])
def test_a_region_outside_the_picture_says_so(box):
    with pytest.raises(PictureError, match="the region is outside the picture"):
        decode(Region(PICTURE, box))
