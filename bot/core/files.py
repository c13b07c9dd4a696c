"""What files are kept: their kind by their bytes, never by their name; and the name under which they are shown."""

import io
import re
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass

_MOST_NAME = 80  # characters, with the extension
_MOST_PARTS = 5_000  # of an office file: a list of millions would fill the memory
_MOST_TYPES = 1_000_000  # bytes of the list of its parts
_MOST_UNPACKED = 500_000_000  # bytes that it may claim to unpack to


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that may be stored."""

    group: str  # image, voice, video or file, as `Attachment.kind`
    media_type: str
    extensions: tuple[str, ...]  # without the dot; the first is given where the name has none of them
    may_be_inline: bool = False  # a browser shows it without running anything


_OFFICE = "application/vnd.openxmlformats-officedocument."
JPEG = FileKind("image", "image/jpeg", ("jpg", "jpeg"), may_be_inline=True)
PNG = FileKind("image", "image/png", ("png",), may_be_inline=True)
GIF = FileKind("image", "image/gif", ("gif",), may_be_inline=True)
WEBP = FileKind("image", "image/webp", ("webp",), may_be_inline=True)
AMR = FileKind("voice", "audio/amr", ("amr",))
MP3 = FileKind("voice", "audio/mpeg", ("mp3",))
MP4 = FileKind("video", "video/mp4", ("mp4", "m4v", "m4a"))
PDF = FileKind("file", "application/pdf", ("pdf",))
DOCX = FileKind("file", f"{_OFFICE}wordprocessingml.document", ("docx",))
XLSX = FileKind("file", f"{_OFFICE}spreadsheetml.sheet", ("xlsx",))
TEXT = FileKind("file", "text/plain", ("txt", "csv"))
KINDS = (JPEG, PNG, GIF, WEBP, AMR, MP3, MP4, PDF, DOCX, XLSX, TEXT)

_RASTER = frozenset(kind.media_type for kind in KINDS if kind.may_be_inline)
_EXTENSIONS = frozenset(extension for kind in KINDS for extension in kind.extensions)

_ZIP, _ZIP_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_STARTS: tuple[tuple[re.Pattern[bytes], FileKind], ...] = (
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"GIF8[79]a"), GIF),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WEBP),
    (re.compile(rb"#!AMR(?:-WB)?\n"), AMR),
    # A tag, or the first frame: layer III, with a bit rate and a sampling rate that exist.
    (re.compile(rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x00-\xef](?<=[^\x0c-\x0f])"), MP3),
    # Pictures of this family (HEIC, AVIF) and QuickTime have brands of their own.
    (re.compile(rb"....ftyp(?!hei|hev|mif1|msf1|avi[fs]|qt  )", re.DOTALL), MP4),
    (re.compile(rb"%PDF-[12]\."), PDF),
)
# What stands in the list of parts of an office file whose main part holds no macros.
_MAIN_PARTS = (
    ("word/document.xml", b"wordprocessingml.document.main+xml", DOCX),
    ("xl/workbook.xml", b"spreadsheetml.sheet.main+xml", XLSX),
)
_MACROS = re.compile(rb"macroenabled|vbaproject|macrosheet", re.IGNORECASE)
_MACRO_PARTS = re.compile(r"vbaproject|(?:\A|/)macrosheets/")
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, NotImplementedError)

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Text that another program would run or draw: markup, RTF, PostScript, scripts.
_OTHER_TEXT = ("<", "{\\rtf", "%!", "#!")

_SEPARATORS = re.compile(r"[/\\]")
_RESERVED = re.compile(r'[<>:"|?*]')


def sniff(content: bytes) -> FileKind | None:
    """What the bytes are, whatever the file is called; None for what is not kept."""
    for start, kind in _STARTS:
        if start.match(content):
            return kind
    return _office(content) if content.startswith(_ZIP) else _text(content)


def is_raster(media_type: str) -> bool:
    """May a browser show this in the page?"""
    return media_type in _RASTER


def safe_name(name: str, kind: FileKind) -> str:
    """A name that stays in its folder, reads as it is and ends as the bytes say; at most 80 characters."""
    last = _SEPARATORS.split(name)[-1]
    # Marks that turn the direction of writing make "gpj.exe" of "exe.jpg".
    seen = "".join(sign for sign in last if not _is_unseen(sign))
    bare = _RESERVED.sub("_", " ".join(unicodedata.normalize("NFC", seen).split())).strip(" .")
    stem, _, suffix = bare.rpartition(".")
    extension = suffix.lower() if stem and suffix.lower() in kind.extensions else kind.extensions[0]
    if not stem or suffix.lower() not in _EXTENSIONS:
        stem = bare
    room = _MOST_NAME - len(extension) - 1
    stem = stem.strip(" .")[:room].rstrip(" .") or "文件"
    return f"{stem}.{extension}"


def size_text(size: int) -> str:
    """Bytes as people read them: KB up to one MB, then MB."""
    return f"{max(1, round(size / 1000))} KB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def _is_unseen(sign: str) -> bool:
    """Control, format, surrogate, private and unknown characters, and line ends of any kind."""
    category = unicodedata.category(sign)
    return category.startswith("C") or category in ("Zl", "Zp")


def _text(content: bytes) -> FileKind | None:
    """Plain text in UTF-8, or in what a Chinese spreadsheet saves."""
    if not content or _CONTROL.search(content):
        return None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if text.lstrip("\ufeff \t\r\n").startswith(_OTHER_TEXT) else TEXT
    return None


def _office(content: bytes) -> FileKind | None:
    """A document or workbook without macros. Only its list of parts is unpacked, and that up to a limit."""
    if content.count(_ZIP_ENTRY) > _MOST_PARTS:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {part.filename.lower(): part.file_size for part in archive.infolist()}
            total = sum(part.file_size for part in archive.infolist())
            with archive.open("[Content_Types].xml") as listed:
                types = listed.read(_MOST_TYPES + 1)
    except (*_BAD_ZIP, KeyError):
        return None
    if total > _MOST_UNPACKED or len(types) > _MOST_TYPES or _has_macros(parts, types):
        return None
    return next((kind for main, mark, kind in _MAIN_PARTS if main in parts and mark in types), None)


def _has_macros(parts: dict[str, int], types: bytes) -> bool:
    # In another encoding the words would not be found: such a list is not believed.
    return (
        b"\x00" in types
        or _MACROS.search(types) is not None
        or any(_MACRO_PARTS.search(part) for part in parts)
    )
