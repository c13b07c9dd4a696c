"""Kinds of files by their bytes, and names that cannot deceive."""

import io
import unicodedata
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core import files
from bot.core.files import KINDS, FileKind, is_raster, safe_name, size_text, sniff

DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def office(types: str | bytes = DOCX_TYPE, main: str = "word/document.xml", **parts: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr(main, "<x/>")
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xd9", files.JPEG),
        (b"\x89PNG\r\n\x1a\n\x00", files.PNG),
        (b"GIF87a", files.GIF),
        (b"GIF89a", files.GIF),
        (b"RIFF\x00\n\x00\x00WEBPVP8 ", files.WEBP),
        (b"#!AMR\n", files.AMR),
        (b"#!AMR-WB\n", files.AMR),
        (b"ID3\x03\x00", files.MP3),
        (b"\xff\xfb\x90\x64", files.MP3),
        (b"\x00\x00\x00\x18ftypisom", files.MP4),
        (b"%PDF-1.7\n", files.PDF),
        (office(), files.DOCX),
        (office(XLSX_TYPE, "xl/workbook.xml"), files.XLSX),
        ("型号,数量\n压力表,2\n".encode(), files.TEXT),
        ("\ufeff型号,数量".encode(), files.TEXT),
        ("型号,数量".encode("gb18030"), files.TEXT),
    ],
)
def test_what_is_kept_is_known_by_its_bytes(content: bytes, kind: FileKind) -> None:
    assert sniff(content) is kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><script>alert(1)</script>",
        b"\n \xef\xbb\xbf<html>",
        "\ufeff <HTML>".encode(),
        SVG,
        b'<?xml version="1.0"?>' + SVG,
        "<html>".encode("utf-16"),
        b"{\\rtf1\\object}",
        b"%!PS-Adobe-3.0",
        b"#!/bin/sh\nrm -r /",
        b"MZ\x90\x00",
        b"\x7fELF",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # the old office formats, and encrypted new ones
        b"RIFF\x00\n\x00\x00AVI LIST",
        b"\x00\x00\x00\x18ftypheic",
        b"\x00\x00\x00\x14ftypqt  ",
        b"\xff\xfb\xfc\x64",  # a sampling rate that does not exist
        b"a\x00b",
        b"\x81",
        b"PK\x03\x04",
        b"PK\x03\x04" + bytes(100),
    ],
)
def test_everything_else_is_not_kept(content: bytes) -> None:
    assert sniff(content) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(office(DOCX_TYPE, **{"word/vbaProject.bin": b"x"}), id="macros"),
        pytest.param(office(DOCX_TYPE, **{"word/VBAPROJECT.BIN": b"x"}), id="macros in capitals"),
        pytest.param(office(XLSX_TYPE, "xl/workbook.xml", **{"xl/macrosheets/a.xml": "x"}), id="old macros"),
        pytest.param(office("application/vnd.ms-word.document.macroEnabled.main+xml"), id="docm"),
        pytest.param(office(DOCX_TYPE + " application/vnd.ms-office.vbaProject"), id="macros elsewhere"),
        pytest.param(office(DOCX_TYPE.encode("utf-16")), id="a list in another encoding"),
        pytest.param(office("application/x-java-archive", "META-INF/MANIFEST.MF"), id="jar"),
        pytest.param(office(XLSX_TYPE), id="a workbook without its part"),
        pytest.param(office()[:-30], id="cut off"),
        pytest.param(office(DOCX_TYPE + " " * 1_000_000), id="a list that unpacks to too much"),
        pytest.param(office(a=b"\0" * 100).replace(b"word/document.xml", b"word/documen+.xml"), id="damaged"),
    ],
)
def test_office_files_have_their_parts_and_no_macros(content: bytes) -> None:
    assert sniff(content) is None


def test_a_zip_bomb_is_refused_and_never_unpacked() -> None:
    content = bytearray(office(bomb=b"\0" * 50_000))
    entry = content.rindex(b"PK\x01\x02")
    assert sniff(bytes(content)) is files.DOCX
    content[entry + 24 : entry + 28] = (2_000_000_000).to_bytes(4, "little")  # claims to unpack to 2 GB
    assert sniff(bytes(content)) is None


def test_a_list_of_too_many_parts_is_not_even_read() -> None:
    assert sniff(office() + b"PK\x01\x02" * 5_001) is None


@given(st.binary(max_size=200))
@example(b"PK\x03\x04PK\x05\x06" + bytes(18))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"ID3", b"RIFF"):
        kind = sniff(start + content)
        assert kind is None or kind in KINDS


@given(st.data())
def test_no_damage_to_an_office_file_makes_it_fail(data: st.DataObject) -> None:
    content = bytearray(office(bomb=b"x" * 50))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert sniff(bytes(content)) in (None, files.DOCX, files.XLSX)


@given(st.text(max_size=50), st.sampled_from(["<", "{\\rtf", "%!", "#!/"]))
def test_no_text_that_another_program_would_run_is_kept(text: str, start: str) -> None:
    assert sniff(f" \n{start}{text}".encode(errors="replace")) is None


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("检测报告.pdf", files.PDF, "检测报告.pdf"),
        ("照片.JPEG", files.JPEG, "照片.jpeg"),
        ("清单.csv", files.TEXT, "清单.csv"),
        ("../../etc/passwd", files.TEXT, "passwd.txt"),
        ("C:\\Users\\me\\报告.docx", files.DOCX, "报告.docx"),
        ("report.html", files.PNG, "report.html.png"),
        ("scan.png", files.JPEG, "scan.jpg"),
        ("报告\u202egpj.exe", files.PDF, "报告gpj.exe.pdf"),
        ("a\x00b\r\nc.pdf", files.PDF, "abc.pdf"),
        ("..", files.PDF, "文件.pdf"),
        (".htaccess", files.TEXT, "htaccess.txt"),
        ("", files.PNG, "文件.png"),
        ('报告"; filename="x.exe', files.PDF, "报告_; filename=_x.exe.pdf"),
        ("GB 1.2", files.PDF, "GB 1.2.pdf"),
        ("长" * 300 + ".pdf", files.PDF, "长" * 76 + ".pdf"),
    ],
)
def test_names_stay_in_their_folder_and_end_as_the_bytes_say(
    name: str, kind: FileKind, expected: str
) -> None:
    assert safe_name(name, kind) == expected


@given(st.text(max_size=200), st.sampled_from(KINDS))
@example("\ud800.pdf", files.PDF)
@example("a.. .pdf", files.PDF)
def test_any_name_becomes_a_safe_one(name: str, kind: FileKind) -> None:
    found = safe_name(name, kind)
    assert 0 < len(found) <= 80
    assert found.rpartition(".")[2] in kind.extensions
    assert not set(found) & set('/\\<>:"|?*')
    assert not found.startswith((".", " "))
    assert all(unicodedata.category(sign)[0] not in "C" for sign in found)
    assert not any(sign in found for sign in "\u2028\u2029\u202e\u200f")
    assert found.encode()
    assert safe_name(found, kind) == found


def test_only_pictures_without_scripts_may_be_shown_in_a_page() -> None:
    shown = {kind.media_type for kind in KINDS if is_raster(kind.media_type)}
    assert shown == {"image/jpeg", "image/png", "image/gif", "image/webp"}
    assert not is_raster("image/svg+xml")


def test_sizes_are_read_as_people_say_them() -> None:
    assert [size_text(size) for size in (4, 1_499, 999_999, 1_250_000)] == [
        "1 KB",
        "1 KB",
        "1000 KB",
        "1.2 MB",
    ]
