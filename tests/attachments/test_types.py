"""Names of stored files: folders and extensions."""

from __future__ import annotations

import pytest

from tap_pleo_export.attachments.names import MEDIA_TYPES, TypeMismatch, extension, folder
from tests.helpers.mapper import COMPANY, JOB

OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100
ZIP = b"PK\x03\x04" + b"\0" * 26
PDF = b"%PDF-1.4\n"
JPEG = b"\xff\xd8\xff\xe1"
PNG = b"\x89PNG\r\n\x1a\n"
DOCX = MEDIA_TYPES["docx"]


@pytest.mark.parametrize(
    ("declared", "head", "wanted"),
    [
        ("application/pdf", PDF, "pdf"),
        ("application/pdf", b"\n\n" + PDF, "pdf"),
        ("image/jpeg", JPEG, "jpg"),
        ("IMAGE/JPG", JPEG, "jpg"),
        ("jpeg", JPEG, "jpg"),
        ("image/png", PNG, "png"),
        # The content decides if it has a known signature.
        ("image/jpeg", PNG, "png"),
        ("text/plain", PDF, "pdf"),
        (None, PDF, "pdf"),
        (17, JPEG, "jpg"),
        ("image/heic; quality=0.5", b"\0\0\0\x18ftypheic", "heic"),
        ("image/webp", b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        ("image/gif", b"GIF89a", "gif"),
        ("image/tiff", b"II*\0", "tif"),
        ("application/msword", OFFICE, "doc"),
        ("application/vnd.ms-excel", OFFICE, "xls"),
        (DOCX, ZIP, "docx"),
        (None, ZIP + b"xl/workbook.xml", "xlsx"),
        (None, ZIP + b"word/document.xml", "docx"),
        # Unknown archives get an extension that no program opens.
        ("application/zip", ZIP + b"evil.exe", "bin"),
        (None, OFFICE, "bin"),
        ("text/plain", "Bäckerei 4,20 €".encode(), "txt"),
        ("text/csv", b"a;b\n1;2\n", "csv"),
        ("text/csv; charset=utf-8", b"a;b\n1;2\n", "csv"),
        ("application/xml", b"<?xml version='1.0'?><Invoice/>", "xml"),
        (None, b"whatever", "bin"),
        ("application/x-sh", b"#!/bin/sh\n", "bin"),
        ("application/x-msdownload", b"MZ\x90\0", "bin"),
        ("../../etc/passwd", b"root:x:0:0", "bin"),
    ],
)
def test_extension(declared: object, head: bytes, wanted: str) -> None:
    assert extension(declared, head) == wanted
    assert wanted in MEDIA_TYPES


@pytest.mark.parametrize("declared", ["image/jpeg", "application/pdf", "text/html", None])
@pytest.mark.parametrize(
    "head", [b"<!DOCTYPE html><title>Sign in", b"\xef\xbb\xbf\n <HTML>", b"<!-- x --><html lang='en'>"]
)
def test_web_page_is_refused(declared: object, head: bytes) -> None:
    with pytest.raises(TypeMismatch, match=r"^is a web page, not a file$"):
        extension(declared, head)


@pytest.mark.parametrize(
    ("declared", "head"),
    [
        ("image/jpeg", b"MZ\x90\0"),
        ("application/pdf", b"#!/bin/sh\n"),
        ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'>"),
        ("text/plain", b"\x7fELF\x02\x01\x01\0"),
        (DOCX, b"secret text"),
    ],
)
def test_mismatched_content_is_refused_without_quoting_it(declared: str, head: bytes) -> None:
    with pytest.raises(TypeMismatch, match=r"does not begin like its declared type") as refused:
        extension(declared, head)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "odd", [None, 1, "", "..", "../../etc", f"{JOB}/..", f"{JOB}\n", f" {JOB}", JOB.replace("-", ""), "\u0661" * 36]
)
def test_folder_has_plain_uuids_in_lower_case(odd: object) -> None:
    assert folder(COMPANY.upper(), JOB) == f"{COMPANY}/{JOB}"
    assert folder(odd, JOB) is None
    assert folder(COMPANY, odd) is None
