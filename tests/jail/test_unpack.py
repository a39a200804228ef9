#!/usr/bin/python3
"""
Goal: an archive for the file area becomes exactly the files it names, or nothing: every guard is asked before the first
byte is written.

Run with SLIPWAY_GEO=path/to/slipway-geo.
"""
import os
import struct
import sys
import unittest
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile
import jail

DENIED = ".jsp .php .sh .html"


def unpack(data, denied=DENIED, names="GB18030", **limits):
    """(frame, {path: bytes or None for a folder} of out/tree)."""
    with jail.Jail({"World.zip": data}) as j:
        frame = j.run(task="unpack", denied=denied, names=names, limits=dict({"upload_min_free": 0}, **limits))
        tree, found = os.path.join(j.out, "tree"), {}
        for base, folders, files in os.walk(tree):
            for name in folders:
                found[os.path.relpath(os.path.join(base, name), tree) + "/"] = None
            for name in files:
                with open(os.path.join(base, name), "rb") as f:
                    found[os.path.relpath(os.path.join(base, name), tree)] = f.read()
        return frame, found


def one(name, data=b"x", **kw):
    return hostile.Zip().add(name, data, **kw).bytes()


def deflated(data):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


class Good(unittest.TestCase):
    def test_tree_as_named(self):
        z = hostile.Zip().add("World/", b"", method=0).add("World/a.csv", b"1,2\n").add("World/deep/er/b.csv", b"3,4\n" * 1000)
        z.add("empty/", b"", method=0).add("top.csv", b"", method=0)
        frame, tree = unpack(z.bytes())
        self.assertEqual(frame["type"], "result", frame)
        self.assertEqual((frame["entries"], frame["bytes"]), (5, 4 + 4000))
        self.assertEqual(tree, {"World/": None, "World/a.csv": b"1,2\n", "World/deep/": None, "World/deep/er/": None,
                                "World/deep/er/b.csv": b"3,4\n" * 1000, "empty/": None, "top.csv": b""})

    def test_names_in_three_encodings(self):
        name = "河流/数据.csv"
        for raw, flags in ((name.encode(), 0x800), (name.encode(), 0), (name.encode("gb18030"), 0)):
            frame, tree = unpack(one(raw, flags=flags))
            self.assertIn(name, tree, frame)
        frame, tree = unpack(one("Größe.csv".encode("cp437")), names="UTF-8")
        self.assertIn("Größe.csv", tree, frame)
        frame, tree = unpack(one("река.csv".encode("cp1251")), names="windows-1251")
        self.assertIn("река.csv", tree, frame)

    def test_backslash_is_a_separator(self):
        frame, tree = unpack(hostile.Zip().add("World\\a.csv", b"x").add("World\\sub\\", b"", method=0).bytes())
        self.assertEqual(tree, {"World/": None, "World/a.csv": b"x", "World/sub/": None}, frame)

    def test_empty_archive_is_an_empty_tree(self):
        frame, tree = unpack(hostile.Zip().bytes())
        self.assertEqual((frame["type"], tree), ("result", {}))

    def test_nested_archive_stays_packed(self):
        inner = one("a.csv")
        frame, tree = unpack(one("inner.zip", inner))
        self.assertEqual(tree, {"inner.zip": inner})


class Refused(unittest.TestCase):
    def refuse(self, data, code, **kw):
        frame, tree = unpack(data, **kw)
        self.assertEqual(jail.codes(frame), [code], frame)
        return tree

    def test_before_the_first_byte(self):
        good = lambda: hostile.Zip().add("good.csv", b"x")
        for name, data, code in (
                ("traversal", good().add("../../x.csv", b"x").bytes(), "zip_path"),
                ("traversal with backslashes", good().add("..\\..\\x.csv", b"x").bytes(), "zip_path"),
                ("absolute", good().add("/etc/x.csv", b"x").bytes(), "zip_path"),
                ("drive", good().add("c:\\x.csv", b"x").bytes(), "zip_path"),
                ("control character", good().add("a\x01.csv", b"x").bytes(), "zip_path"),
                ("NUL", good().add(b"a\0.csv", b"x").bytes(), "zip_path"),
                ("empty", good().add(b"", b"x").bytes(), "zip_path"),
                ("long component", good().add("a" * 256 + ".csv", b"x").bytes(), "zip_path"),
                ("long name", good().add("/".join(["a" * 200] * 6), b"x").bytes(), "zip_path"),
                ("ours", good().add(".slipway/x.csv", b"x").bytes(), "zip_path"),
                ("our mark", good().add(".slipway", b"x").bytes(), "zip_path"),
                ("denied", good().add("a/shell.PHP", b"x").bytes(), "zip_denied"),
                ("denied folder", good().add("a.jsp/x.csv", b"x").bytes(), "zip_denied"),
                (".htaccess", good().add("a/.htaccess", b"x").bytes(), "zip_denied"),
                ("symlink", good().add("l.csv", b"/etc/passwd", mode=0o120777).bytes(), "zip_link"),
                ("device", good().add("d.csv", b"", mode=0o020666).bytes(), "zip_link"),
                ("same name", good().add("good.csv", b"y").bytes(), "zip_invalid"),
                ("same name in capitals", good().add("GOOD.csv", b"y").bytes(), "zip_invalid"),
                ("file as folder", good().add("good.csv/x.csv", b"y").bytes(), "zip_invalid"),
                ("file as folder in capitals", good().add("GOOD.csv/x.csv", b"y").bytes(), "zip_invalid"),
                ("encrypted", good().add("e.csv", b"x", flags=1).bytes(), "zip_encrypted"),
                ("bzip2", good().add("b.csv", b"x", method=12).bytes(), "zip_invalid"),
                ("other local name", good().add("o.csv", b"x", local_name=b"p.csv").bytes(), "zip_invalid"),
                ("overlap", good().add("o.csv", b"x", at=0).bytes(), "zip_invalid"),
                ("no zip", b"this is no zip at all" * 10, "zip_invalid"),
                ("cut", good().bytes()[:-30], "zip_invalid"),
        ):
            with self.subTest(name):
                self.assertEqual(self.refuse(data, code), {})

    def test_bombs(self):
        zeros = deflated(bytes(150 << 20))
        bomb = hostile.Zip().add("a.csv", b"", raw=zeros, size=150 << 20, crc=zlib.crc32(bytes(150 << 20)))
        self.assertEqual(self.refuse(bomb.bytes(), "zip_ratio"), {})
        many = hostile.Zip()
        for i in range(101):
            many.add("f%d.csv" % i, b"x")
        self.assertEqual(self.refuse(many.bytes(), "zip_entries", zip_max_entries=100), {})
        self.assertEqual(self.refuse(one("a.csv", b"x" * 2000), "zip_too_big", zip_max_bytes=1000), {})
        self.assertEqual(self.refuse(one("a.csv", b"x" * 2000), "disk_full", upload_min_free=1 << 60), {})

    def test_dense_but_small_is_no_bomb(self):
        frame, tree = unpack(one("a.csv", bytes(50 << 20)))
        self.assertEqual(frame["type"], "result", frame)

    def test_lies_are_found_while_inflating(self):
        for name, data in (
                ("smaller than it is", one("a.csv", b"", raw=deflated(b"x" * 5000), size=100, crc=zlib.crc32(b"x" * 100))),
                ("larger than it is", one("a.csv", b"", raw=deflated(b"x" * 100), size=5000, crc=zlib.crc32(b"x" * 5000))),
                ("wrong CRC", one("a.csv", b"x" * 100, crc=1)),
                ("no deflate", one("a.csv", b"", raw=b"\xff" * 50, size=100, crc=0))):
            with self.subTest(name):
                frame, _ = unpack(data)
                self.assertIn(jail.codes(frame), (["zip_invalid"], ["zip_too_big"]), frame)


if __name__ == "__main__":
    unittest.main(verbosity=1)
