"""worker-inspect refuses every archive that two readers could read in two ways, each by its rule."""

import gzip
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

import pytest

from inspect_play import (ELSEWHERE, MANIFEST, SEALS, Archive, MemoryFile, ERRAND, compare,
                          crate_of, inspect)
from worker_program import ask_worker

pytestmark = pytest.mark.release  # Many processes; under sanitizers the fuzz targets do the same.

GOOD = Archive().base()
MIB = 1 << 20


def header(name, *, form=tarfile.GNU_FORMAT, **changes):
    """One block with what is changed in it; `at_N` puts bytes at N, unsummed with `keep_sum`."""
    info = tarfile.TarInfo(name)
    for attribute, value in changes.items():
        if not attribute.startswith("at_") and attribute != "keep_sum":
            setattr(info, attribute, value)
    block = bytearray(info.tobuf(form, "utf-8", "surrogateescape")[-512:])
    for attribute, value in changes.items():
        if attribute.startswith("at_"):
            at = int(attribute[3:])
            block[at:at + len(value)] = value
    if not changes.get("keep_sum"):
        block[148:156] = b"        "
        block[148:156] = changes.get("at_148", b"%06o\0 " % sum(block))
    return bytes(block)


def header_sum(name="demo-0.1.0/x"):
    return int(header(name)[148:154], 8)


def with_entry(name="demo-0.1.0/x", body=b"", **changes):
    """The good archive with one more header, and that body behind it."""
    return Archive().base().raw(header(name, **changes) + body + bytes(-len(body) % 512)).crate()


def pax(*records):
    text = b""
    for key, value in records:
        rest = f" {key}={value}\n".encode()
        size = len(rest) + 1
        while len(str(size)) + len(rest) != size:
            size = len(str(size)) + len(rest)
        text += str(size).encode() + rest
    return text


def with_pax(body, entry=None, kind=b"x"):
    entry = header("demo-0.1.0/x") if entry is None else entry
    return Archive().base().raw(
        header("pax", size=len(body), type=kind) + body + bytes(-len(body) % 512) + entry).crate()


def long_name(name, entry=None, **changes):
    """The good archive, and an entry whose long name is that; `changes` are in its header."""
    entry = header(name.decode()[:100]) if entry is None else entry
    return Archive().base().raw(
        header("././@LongLink", **{"size": len(name), "type": b"L"} | changes) + name
        + bytes(-len(name) % 512) + entry).crate()


LONG = b"demo-0.1.0/" + b"x" * 200
OTHER_MANIFEST = MANIFEST + '[dependencies]\nother = "1"\n'


def two_manifests(first, second):
    """Two files of one entry each behind such pax headers: which one is the manifest?"""
    archive = Archive()
    for body, content in (first, OTHER_MANIFEST), (second, MANIFEST):
        archive.raw(header("pax", size=len(body), type=b"x") + body + bytes(-len(body) % 512))
        archive.entry(f"{len(archive.blocks)}", content)
    return archive.entry("src/lib.rs", "").crate()


def pax_path(name):
    return ("path", f"demo-0.1.0/{name}")


def in_comment(name):
    """A path that a reader sees who looks for lines, in a value with a line in it."""
    return pax(("comment", "x\n" + pax(pax_path(name)).decode()[:-1]))


def sparse():
    """A manifest of which libarchive reads less than is there; another file makes up for that."""
    less, much = len(MANIFEST), len(OTHER_MANIFEST)
    archive = Archive().raw(header("demo-0.1.0/Cargo.toml", size=much,
                                   at_386=octal(0) + octal(less), at_483=octal(less)))
    archive.raw(OTHER_MANIFEST.encode() + bytes(-much % 512))
    return archive.raw(header("demo-0.1.0/x", at_483=octal(much - less))).crate()


def octal(number):
    return b"%011o\0" % number


def gnu_tar(form):
    """What GNU tar makes of a folder of names around the length at which they become long ones."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"Cargo.toml": MANIFEST, "src/lib.rs": "", "\u00e9/\u00e9": "x",
                              **{"d/" + "n" * n: "x" for n in (85, 86, 87, 88, 89, 200)},
                              **{"\u00e9" * n + "/x" + "n" * n: "x" for n in (41, 42, 43, 100)},
                              }.items():
            path = Path(folder, "demo-0.1.0", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return subprocess.run(["tar", "-cz", f"--format={form}", "-C", folder, "demo-0.1.0"],
                              check=True, capture_output=True).stdout


def zeros(size):
    """So many zeros in a file, packed fast."""
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    info = tarfile.TarInfo("demo-0.1.0/zeros")
    info.size = size
    packed = pack.compress(GOOD.tar(b"") + info.tobuf(tarfile.GNU_FORMAT))
    for _ in range(size // MIB):
        packed += pack.compress(bytes(MIB))
    return packed + pack.compress(bytes(1024)) + pack.flush()


def noise(crate, at, value=0x55):
    changed = bytearray(crate)
    changed[at] ^= value
    return bytes(changed)


def names(*entries, top="demo-0.1.0"):
    archive = Archive(top).base()
    for entry in entries:
        archive.entry(entry, "x")
    return archive.crate()


# What is wrong: the crate file, and how its rule begins.
BAD = {
    "empty": (b"", "its gzip stream is cut short"),
    "no-gzip": (b"PK\3\4" + bytes(100), "it is no gzip file"),
    "plain-tar": (GOOD.tar(), "it is no gzip file"),
    "zlib": (zlib.compress(GOOD.tar()), "it is no gzip file"),
    "cut": (GOOD.crate()[:-1], "its gzip stream is cut short"),
    "cut-in-half": (GOOD.crate()[:100], "its gzip stream is cut short"),
    "wrong-sum": (noise(GOOD.crate(), -8), "its gzip stream is damaged"),
    "wrong-length": (noise(GOOD.crate(), -1), "its gzip stream is damaged"),
    "damaged": (noise(GOOD.crate(), 40), ""),
    "byte-behind": (GOOD.crate() + b"\0", "there is more behind its gzip member"),
    "two-members": (GOOD.crate() + GOOD.crate(), "there is more behind its gzip member"),
    "split-member": (gzip.compress(GOOD.tar()[:700]) + gzip.compress(GOOD.tar()[700:]),
                     "there is more behind its gzip member"),
    "no-tar": (gzip.compress(b"x" * 2000), "it is no tar archive, or a damaged one"),
    "nothing": (gzip.compress(b""), ""),
    "only-an-end": (gzip.compress(bytes(1024)), "there is nothing in its archive"),
    "no-end": (GOOD.crate(b""), "its archive is cut short"),
    "half-an-end": (GOOD.crate(bytes(512)), "its archive is cut short"),
    "half-a-block": (GOOD.crate(bytes(1030)), "its archive is cut short"),
    "cut-tar": (GOOD.crate(b"")[:0] + gzip.compress(GOOD.tar(b"")[:-600]), ""),
    "text-behind": (GOOD.crate(bytes(1024) + b"x".ljust(512)),
                    "there is more behind the end of its archive"),
    "archive-behind": (GOOD.crate(bytes(1024) + GOOD.tar()),
                       "there is more behind the end of its archive"),
    "far-behind": (GOOD.crate(bytes(200 * 1024) + b"x".ljust(512)),
                   "there is more behind the end of its archive"),
    "one-zero-block": (Archive().base().raw(bytes(512)).entry("x", "x").crate(),
                       "there is more behind the end of its archive"),
    "header-sum": (with_entry(at_0=b"e", keep_sum=True), "it is no tar archive, or a damaged one"),
    "old-form": (with_entry(at_257=bytes(8)), "it is no tar archive, or a damaged one"),
    "symlink": (with_entry(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
                "it has an entry that is neither file nor folder: type '2'"),
    "hard-link": (with_entry(type=tarfile.LNKTYPE, linkname="demo-0.1.0/Cargo.toml"),
                  "it has an entry that is neither file nor folder: type '1'"),
    "fifo": (with_entry(type=tarfile.FIFOTYPE),
             "it has an entry that is neither file nor folder: type '6'"),
    "character-device": (with_entry(type=tarfile.CHRTYPE, devmajor=1, devminor=3),
                         "it has an entry that is neither file nor folder: type '3'"),
    "block-device": (with_entry(type=tarfile.BLKTYPE),
                     "it has an entry that is neither file nor folder: type '4'"),
    "contiguous": (with_entry(type=tarfile.CONTTYPE),
                   "it has an entry that is neither file nor folder: type '7'"),
    "sparse": (with_entry(type=tarfile.GNUTYPE_SPARSE),
               "it has an entry that is neither file nor folder: type 'S'"),
    "long-link": (with_entry(type=tarfile.GNUTYPE_LONGLINK, size=2, body=b"x\0"),
                  "it has an entry that is neither file nor folder: type 'K'"),
    "volume": (with_entry(type=b"V"), "it has an entry that is neither file nor folder: type 'V'"),
    "unknown-type": (with_entry(type=b"Z"),
                     "it has an entry that is neither file nor folder: type 'Z'"),
    "global-pax": (with_pax(pax(pax_path("x")), kind=b"g"), "it has pax headers"),
    "pax": (with_pax(pax(pax_path("longer"))), "it has pax headers"),
    "pax-size": (with_pax(pax(("size", "1"))), "it has pax headers"),
    "pax-empty": (with_pax(b""), "it has pax headers"),
    "pax-path-twice": (two_manifests(pax(pax_path("Cargo.toml"), pax_path("x")),
                                     pax(pax_path("x"), pax_path("Cargo.toml"))),
                       "it has pax headers"),
    "pax-path-in-a-value": (two_manifests(in_comment("Cargo.toml"), in_comment("y")),
                            "it has pax headers"),
    "solaris-pax": (with_pax(pax(pax_path("x")), kind=b"X"),
                    "it has an entry that is neither file nor folder: type 'X'"),
    "folder-content": (with_entry(type=tarfile.DIRTYPE, at_124=b"00000000001\0", body=b"x"),
                       "it has a folder with a content"),
    "file-with-slash": (with_entry("demo-0.1.0/x/"), "its archive can be read in two ways"),
    "size-in-base-256": (with_entry(at_124=b"\x80" + bytes(10) + b"\1", body=b"x"),
                         "it has an entry of an odd size"),
    "size-of-words": (with_entry(at_124=b"0000000008x\0"), "it has an entry of an odd size"),
    "size-negative": (with_entry(at_124=b"-0000000001\0"), "it has an entry of an odd size"),
    "size-too-large": (with_entry(at_124=b"77777777777\0"), "its archive is damaged"),
    "size-without-end": (with_entry(at_124=b"000000000000"), "it has an entry of an odd size"),
    "size-with-plus": (with_entry(at_124=b"+0000000000\0"), "it has an entry of an odd size"),
    "size-behind-blanks": (with_entry(at_124=b"          0\0"), "it has an entry of an odd size"),
    "size-in-two": (with_entry(at_124=b"0\0" + b"0000000001"), "it has an entry of an odd size"),
    "size-empty": (with_entry(at_124=bytes(12)), "it has an entry of an odd size"),
    "sum-in-blanks": (with_entry(at_148=b"        "), "it is no tar archive, or a damaged one"),
    "sum-behind-a-blank": (with_entry(at_148=b" %06o\0" % header_sum()),
                           "it is no tar archive, or a damaged one"),
    "signed-sum": (with_entry(at_265=b"\xff", at_148=b"%06o\0 " % (header_sum() - 1)),
                   "it is no tar archive, or a damaged one"),
    "sparse-by-the-way": (sparse(), "it has a header of an odd form"),
    "other-size-by-the-way": (with_entry(at_483=octal(9)), "it has a header of an odd form"),
    "more-map-by-the-way": (with_entry(at_482=b"\1"), "it has a header of an odd form"),
    "prefix-in-gnu": (with_entry(at_345=b"demo-0.1.0"), "it has a header of an odd form"),
    "time-in-gnu": (with_entry(at_345=octal(1)), "it has a header of an odd form"),
    "behind-a-name": (with_entry(at_50=b"x"), "it has a header of an odd form"),
    "behind-a-prefix": (with_entry(form=tarfile.USTAR_FORMAT, at_345=b"demo-0.1.0\0x"),
                        "it has a header of an odd form"),
    "behind-all": (with_entry(form=tarfile.USTAR_FORMAT, at_508=b"tar\0"),
                   "it has a header of an odd form"),
    "behind-a-user": (with_entry(at_265=b"u\0x"), "it has a header of an odd form"),
    "no-name": (with_entry(at_0=bytes(100)), "it has a header of an odd form"),
    "link-of-a-file": (with_entry(linkname="demo-0.1.0/y"), "it has a header of an odd form"),
    "time-in-base-256": (with_entry(at_136=b"\xff" * 12), "it has a header of an odd form"),
    "mode-of-words": (with_entry(at_100=b"rw-r--r\0"), "it has a header of an odd form"),
    "version": (with_entry(form=tarfile.USTAR_FORMAT, at_263=b"01"),
                "it is no tar archive, or a damaged one"),
    "magic-of-two": (with_entry(at_257=b"ustar\0 \0"), "it is no tar archive, or a damaged one"),
    "behind-a-content": (Archive().base().raw(header("demo-0.1.0/x", size=1) + b"x" + bytes(510)
                                              + b"y").crate(),
                         "it has something between two entries"),
    "slash-before-a-prefix": (with_entry("x", form=tarfile.USTAR_FORMAT, at_345=b"/demo-0.1.0"),
                              "it has an absolute name"),
    "slash-behind-a-prefix": (with_entry("x", form=tarfile.USTAR_FORMAT, at_345=b"demo-0.1.0/"),
                              "its archive can be read in two ways"),
    "long-name-behind": (long_name(LONG + b"\0" + b"y"), "it has a damaged long name"),
    "long-name-padded": (long_name(LONG + b"\0\0"), "it has a damaged long name"),
    "long-name-short": (long_name(b"demo-0.1.0/x\0"), "it has a damaged long name"),
    "long-name-empty": (long_name(b""), "it has a long name of an odd length"),
    "long-name-huge": (long_name(b"demo-0.1.0/" + b"x" * 9000 + b"\0"),
                       "it has a long name of an odd length"),
    "long-name-twice": (long_name(LONG + b"\0", header("././@LongLink", size=2, type=b"L")
                                  + b"x\0".ljust(512, b"\0") + header(LONG[:100].decode())),
                        "it has two headers for one entry"),
    "long-name-alone": (long_name(LONG + b"\0", b""), "it has a header without an entry"),
    "long-name-of-another": (long_name(LONG + b"\0", header("demo-0.1.0/y")),
                             "it has an entry with two names"),
    "long-name-cut-short": (long_name(LONG + b"\0", header(LONG[:96].decode())),
                            "it has an entry with two names"),
    "long-name-of-ustar": (long_name(LONG + b"\0", header(LONG[:100].decode(),
                                                          form=tarfile.USTAR_FORMAT)),
                           "it has an entry with two names"),
    "long-name-in-ustar": (long_name(LONG + b"\0", form=tarfile.USTAR_FORMAT),
                           "it has a header of an odd form"),
    "long-name-elsewhere": (long_name(LONG + b"\0", at_0=b"demo-0.1.0/x\0"),
                            "it has a header of an odd form"),
    "long-name-and-pax": (long_name(LONG + b"\0", header("p", size=8, type=b"x")
                                    + b"8 uid=1\n".ljust(512, b"\0")), "it has pax headers"),
    "long-name-nul": (long_name(LONG + b"\0" + LONG + b"\0"), "it has a damaged long name"),
    "long-name-open": (long_name(LONG), "it has a damaged long name"),
    "long-name-outside": (long_name(b"demo-0.1.0/" + b"a/" * 60 + b"../" * 99 + b"x\0"),
                          "it has a name that leads astray"),
    "parent": (names("../x"), "it has a name that leads astray: 'demo-0.1.0/../x'"),
    "parent-inside": (names("src/../x"), "it has a name that leads astray"),
    "dot": (names("./x"), "it has a name that leads astray"),
    "double-slash": (names("src//x"), "it has a name that leads astray"),
    "absolute": (Archive().base().entry("/etc/x", top="").crate(),
                 "it has an absolute name: '/etc/x'"),
    "other-top": (Archive().base().entry("x", top="other-0.1.0").crate(),
                  "it has a name outside of 'demo-0.1.0': 'other-0.1.0/x'"),
    "longer-top": (Archive().base().entry("x", top="demo-0.1.01").crate(), "it has a name outside"),
    "no-top": (Archive().base().entry("x", top="").crate(), "it has a name outside"),
    "top-is-a-file": (Archive().base().entry("demo-0.1.0", "x", top="").crate(),
                      "its top folder is a file"),
    "wrong-top": (crate_of(top="demo-0.1.1"),
                  "its top folder is 'demo-0.1.1', not 'demo-0.1.0'"),
    "case-of-top": (crate_of(top="Demo-0.1.0"), "its top folder is 'Demo-0.1.0'"),
    "no-utf-8": (with_entry("demo-0.1.0/\udcff"), "it has a name that is no UTF-8"),
    "overlong-utf-8": (with_entry("demo-0.1.0/x", at_11=b"\xc0\xaf"),
                       "it has a name that is no UTF-8"),
    "newline": (names("a\nb"), "it has a name with an odd character: 'demo-0.1.0/a?b'"),
    "backslash": (names("..\\..\\x"), "it has a name with an odd character"),
    "name-too-long": (names("x/" * 2100 + "x"), "it has a name that is too long"),
    "same-name": (names("x", "x"), "it has a name more than once: 'x'"),
    "two-manifests": (Archive().base().entry("Cargo.toml", "x").crate(),
                      "it has a name more than once: 'Cargo.toml'"),
    "file-and-folder": (names("a", "a/b/c"), "it has a name that is file and folder: 'a'"),
    "folder-and-file": (Archive().base().entry("a", "", type=tarfile.DIRTYPE).entry("a").crate(),
                        "it has a name more than once: 'a'"),
    "no-manifest": (Archive().entry("src/lib.rs", "x").crate(), "it has no 'Cargo.toml'"),
    "manifest-is-a-folder": (Archive().entry("Cargo.toml", type=tarfile.DIRTYPE).crate(),
                             "it has no 'Cargo.toml'"),
    "manifest-below": (Archive().entry("src/Cargo.toml", MANIFEST).crate(),
                       "it has no 'Cargo.toml'"),
    "manifest-in-capitals": (Archive().entry("CARGO.TOML", MANIFEST).crate(),
                             "its 'Cargo.toml' has another spelling: 'CARGO.TOML'"),
    "manifest-in-two-cases": (names("cargo.toml"),
                              "its 'Cargo.toml' has another spelling: 'cargo.toml'"),
    "name-too-deep": (names("a/" * 63 + "x"), "it has a name in too many folders: 'demo-0.1.0/a/"),
    **{f"odd-{what}": (names(f"a{character}b"), "it has a name with an odd character")
       for what, character in {
           "next-line": "\u0085", "c1": "\u009b", "delete": "\x7f", "left-to-right": "\u200e",
           "arabic-mark": "\u061c", "override": "\u202e", "isolate": "\u2066", "line": "\u2028",
           "paragraph": "\u2029", "shaping": "\u206f", "colon": ":", "quote": '"', "star": "*",
           "less": "<", "pipe": "|", "question": "?"}.items()},
    "stream": (names("Cargo.toml::$DATA"), "it has a name with an odd character"),
    **{f"manifest-{what}": (names(other), "its 'Cargo.toml' has another spelling")
       for what, other in {
           "dot": "Cargo.toml.", "blank": "cargo.toml ", "mixed": "Cargo.toml . .",
           "stream": "Cargo.toml:x/y", "joined": "Cargo.to\u200dml", "marked": "\ufeffCargo.toml",
           "short": "CARGO~1.TOM", "shorter": "cargo~12.tom", "hashed": "CA4F2E~1.TOM",
           "folder": "CARGO.TOML/x", "folder-dot": "Cargo.toml./x"}.items()},
    "manifest-too-long": (crate_of(MANIFEST + "#" * MIB), "its 'Cargo.toml' is longer than"),
}

# And what is unusual, but in order.
GOOD_ONES = {
    "plain": GOOD.crate(),
    "ustar": Archive(form=tarfile.USTAR_FORMAT).base().crate(),
    "best-packed": gzip.compress(GOOD.tar(), 9),
    "not-packed": gzip.compress(GOOD.tar(), 0),
    "named": GOOD.crate()[:3] + b"\x08" + GOOD.crate()[4:10] + b"name\0" + GOOD.crate()[10:],
    "folders": Archive().entry("", type=tarfile.DIRTYPE).entry("src", type=tarfile.DIRTYPE)
    .base().entry("empty/", type=tarfile.DIRTYPE).crate(),
    "more-zeros": GOOD.crate(bytes(64 * 1024)),
    "long-name": long_name(LONG + b"\0"),
    "long-name-cut-in-a-character": long_name(("demo-0.1.0/" + "\u00e9" * 100).encode() + b"\0",
                                              header("demo-0.1.0/" + "\u00e9" * 44)),
    "full-name": Archive().base().entry("x" * 89).crate(),
    "prefix": Archive(form=tarfile.USTAR_FORMAT).base().entry("a" * 90 + "/" + "b" * 90).crate(),
    "old-type": with_entry(type=tarfile.AREGTYPE),
    "nothing-of-numbers": with_entry(at_100=bytes(24), at_136=bytes(12), at_329=bytes(16)),
    "sum-of-seven": with_entry(at_148=b"%07o\0" % header_sum()),
    "vcs": names(".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"),
    "utf-8": names("\u00e9/\U0001f980.rs"),
    "dots": names("a..b", "...", "..x"),
    "manifests-below": names("examples/a/Cargo.toml", "examples/a/cargo.TOML"),
    "names-of-cargo": names("Cargo.toml.orig", "Cargo.toml~", "x.Cargo.toml", "Cargo.tom",
                            "CARGO~1.RS", "a b", " a", "\u200d", "a~1", "a/Cargo.toml.",
                            "Cargo.toml-x"),
    "deep": names("a/" * 62 + "x"),
    "zeros": zeros(60 * MIB),
}


@pytest.mark.parametrize("what", BAD)
def test_inspect_refuses_an_archive_by_its_rule(what):
    crate, rule = BAD[what]
    done = inspect(crate, ELSEWHERE)
    assert done.refusal == "crate-invalid"
    assert done.detail.startswith(rule), done.detail
    assert "\n" not in done.detail and done.detail.isascii()
    assert done.metadata == b""


@pytest.mark.parametrize("what", GOOD_ONES)
def test_inspect_takes_an_archive_that_is_in_order(what):
    done = inspect(GOOD_ONES[what], ELSEWHERE)
    assert (done.refusal, done.detail) == ("none", None)
    assert done.metadata.startswith(b'{"name":"demo","vers":"0.1.0",')
    assert done.seals == SEALS


@pytest.mark.parametrize("form", ["gnu", "oldgnu"])
def test_inspect_takes_what_gnu_tar_has_packed(form):
    done = inspect(gnu_tar(form), ELSEWHERE)
    assert (done.refusal, done.detail) == ("none", None)
    assert done.number("ENTRIES") == 20


def test_inspect_counts_entries_and_their_bytes():
    done = inspect(names("a", "b"), ELSEWHERE)
    assert done.number("ENTRIES") == 4
    assert done.number("UNPACKED") == len(MANIFEST) + len("pub fn f() {}\n") + 2


def test_inspect_warns_of_names_that_are_one_elsewhere():
    done = inspect(names("src/Lib.rs", "a", "A"), ELSEWHERE)
    assert done.refusal == "none"
    assert [line for line in done.lines("WARNINGS") if "one file" in line] == [
        "'A' and 'a' are one file on some systems",
        "'src/Lib.rs' and 'src/lib.rs' are one file on some systems"]


def test_inspect_warns_of_names_that_are_none_on_windows():
    odd = ["CON", "a/nul.txt", "src/aux.rs/x", "com1", "LPT9.tar.gz", "prn .x", "CONIN$",
           "build.rs.", "b ", "c./x", "d:e/x", "COM\u00b2"]
    done = inspect(names(*odd, "con1", "nul-x", "auxiliary", "com0", "x.nul", ".aux", " b", "...x"),
                   ELSEWHERE)
    assert done.refusal == "none"
    shown = sorted(name.replace("\u00b2", "??") for name in odd)
    assert [line for line in done.lines("WARNINGS") if "Windows" in line] == [
        f"'{name}' is another name, or none, on Windows" for name in shown]


@pytest.mark.parametrize("fds", ["none", "one", "unsealed", "pipe", "not-empty"])
def test_inspect_takes_sealed_files_only(fds):
    with MemoryFile(GOOD.crate()) as sealed, MemoryFile() as empty:
        given = {"none": [], "one": [sealed.fd], "unsealed": [empty.fd, empty.fd],
                 "pipe": [0, empty.fd], "not-empty": [sealed.fd, sealed.fd]}[fds]
        task = {"INSPECT_ERRAND": ERRAND["CRATE"], "INDEX_URL": ELSEWHERE}
        assert ask_worker("inspect", task, given).refusal == "internal"


def test_compare_tells_which_files_differ():
    before = Archive().base().entry("same", "s").entry("gone", "g").entry("other", "1").crate()
    after = Archive("demo-0.1.0").entry("new\u00e9", "n").entry("other", "2").entry("same", "s") \
        .base().crate()
    assert compare(before, before).number("N_DIFFERENT") == 0
    assert compare(before, before).lines("DIFFERENT") == []
    done = compare(before, after)
    assert done.lines("DIFFERENT") == ["gone (removed)", "new?? (added)", "other (changed)"]
    assert done.number("N_DIFFERENT") == 3


def test_compare_names_so_many_files_and_counts_all():
    done = compare(GOOD.crate(), names(*(f"f{n:03}" for n in range(100))))
    assert done.lines("DIFFERENT") == [f"f{n:03} (added)" for n in range(32)]
    assert done.number("N_DIFFERENT") == 100


def test_compare_refuses_a_crate_that_is_none():
    done = compare(GOOD.crate(), GOOD.crate() + b"x")
    assert (done.refusal, done.detail) == ("crate-invalid", "there is more behind its gzip member")


def many_entries(n):
    """So many empty files: one header, of which only digits and the sum change."""
    template = tarfile.TarInfo("demo-0.1.0/000000").tobuf(tarfile.GNU_FORMAT)
    total = int(template[148:154], 8)
    headers = []
    for i in range(n):
        digits = b"%06d" % i
        headers.append(template[:11] + digits + template[17:148]
                       + b"%06o" % (total + sum(digits) - 6 * ord("0")) + template[154:])
    return gzip.compress(Archive().base().raw(b"".join(headers)).tar(), 1)


def long_names(n):
    return gzip.compress(Archive().base().raw(b"".join(
        tarfile.TarInfo(f"demo-0.1.0/{i}" + ("/" + "x" * 99) * 40).tobuf(tarfile.GNU_FORMAT)
        for i in range(n))).tar(), 1)


@pytest.mark.parametrize("make, rule", [
    (lambda: zeros(70 * MIB), "it unpacks to more than 200 times its size"),
    (lambda: many_entries(100001), "it has more than 100000 entries, or too long names"),
    (lambda: long_names(4300), "it has more than 100000 entries, or too long names"),
], ids=["ratio", "entries", "names"])
def test_inspect_unpacks_only_so_much(make, rule):
    done = inspect(make(), ELSEWHERE)
    assert (done.refusal, done.detail) == ("crate-invalid", rule)
