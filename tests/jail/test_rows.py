#!/usr/bin/python3
"""
Goal: the file of a signed import becomes lines of JSON in the receiver's column order, decided by its content: every kind,
key and refusal of the contract (signed-api.md 7.2, case 31), and hostile files.

Run with SLIPWAY_GEO=path/to/slipway-geo.
"""
import datetime
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

import openpyxl
import xlwt

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile
import jail
import xls

ROWS = [[1, "a1"], [2, "a2"], [3, "a3"]]
CSV = b"n,name\n1,a1\n2,a2\n3,a3\n"


def rows(name, data, columns="n:integer name", limits=None, max_rows=0, **keys):
    """(frame, lines, gaps)"""
    wanted = [dict(name=c.partition(":")[0], type=c.partition(":")[2] or "text") for c in columns.split(" ")]
    with jail.Jail({name: data}) as j:
        frame = j.run(task="rows", columns=wanted, file=keys, max_rows=max_rows, limits=limits or {})

        def lines(file):
            path = os.path.join(j.out, file)
            if frame is None or frame["type"] != "result":
                return []
            with open(path, encoding="utf-8") as f:
                return [json.loads(line) for line in f]
        return frame, lines("rows.jsonl"), lines("gaps.jsonl")


def book(*sheets, macro=False):
    """Workbook of (title, rows, hidden) as xlsx."""
    wb = openpyxl.Workbook()
    wb.remove(wb.active)
    for title, content, *state in sheets:
        ws = wb.create_sheet(title)
        for row in content:
            ws.append(row)
        if state:
            ws.sheet_state = state[0]
    out = io.BytesIO()
    wb.save(out)
    data = out.getvalue()
    if not macro:
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out2 := io.BytesIO(), "w") as new:
        for item in old.infolist():
            new.writestr(item, old.read(item))
        new.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 program")
    return out2.getvalue()


def archive(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members:
            z.writestr(name, data)
    return out.getvalue()


def ods(content):
    """A spreadsheet of this table XML."""
    return archive([("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
                    ("META-INF/manifest.xml", "<manifest/>"),
                    ("content.xml", '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
                     'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
                     'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" '
                     'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
                     + content + "</office:spreadsheet></office:body></office:document-content>")])


class Case(unittest.TestCase):
    def good(self, *args, want=None, **kw):
        frame, lines, gaps = rows(*args, **kw)
        self.assertEqual(frame and frame["type"], "result", frame)
        self.assertEqual(frame["rows"], len(lines))
        if want is not None:
            self.assertEqual(lines, want)
        self.gaps = gaps
        return frame

    def refused(self, code, *args, **kw):
        frame, lines, _ = rows(*args, **kw)
        self.assertEqual(jail.codes(frame)[:1], [code], frame)
        return frame["problems"][0]


class Text(Case):
    def test_plain(self):
        frame = self.good("a.csv", CSV, want=ROWS)
        self.assertEqual((frame["kind"], frame["columns"], frame["bad_rows"]), ("csv", ["n", "name"], 0))
        self.assertEqual(self.gaps, [[1, 2]])

    def test_extension_means_nothing(self):
        self.assertEqual(self.good("a.dat", CSV, want=ROWS)["kind"], "csv")
        self.assertEqual(self.good("no name at all", CSV.replace(b",", b"\t"), want=ROWS)["kind"], "tsv")

    def test_delimiters(self):
        for d in b",;\t|":
            self.good("a.csv", CSV.replace(b",", bytes([d])), want=ROWS)
        self.good("a.csv", CSV.replace(b",", b";"), delimiter=";", want=ROWS)
        self.good("a.csv", CSV.replace(b",", b"\t"), delimiter="tab", want=ROWS)

    def test_quote(self):
        self.good("a.csv", b"n,name\n1,'a,1'\n", quote="'", want=[[1, "a,1"]])
        self.good("a.csv", b'n,name\n1,"a ""b""\nc"\n2,x\n', want=[[1, 'a "b"\nc'], [2, "x"]])

    def test_encodings(self):
        text = "n,名\n1,北京\n"
        for raw in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("gb18030"), text.encode("utf-16")):
            self.good("a.csv", raw, columns="n:integer 名", want=[[1, "北京"]])
        self.good("a.csv", text.encode("big5"), columns="n:integer 名", encoding="Big5", want=[[1, "北京"]])

    def test_bytes_of_no_encoding_are_bad_rows(self):
        frame = self.good("a.csv", b"n,name\n1,ok\n2,\xff\xff\xff\n", want=[[1, "ok"]])
        self.assertEqual(frame["bad"], [{"row": 3, "column": "name", "reason": "encoding"}])

    def test_empty_rows(self):
        raw = b"n,name\n\n1,a1\n,\n \n2,a2\n"
        self.good("a.csv", raw, want=ROWS[:2])
        self.assertEqual(self.gaps, [[1, 3], [2, 6]])
        self.good("a.csv", raw, skipEmptyRows=False, want=[[None, None], ROWS[0], [None, None], [None, None], ROWS[1]])

    def test_header_elsewhere_and_nowhere(self):
        raw = b"Sales of March\n\nn,name\n(pieces),(words)\n1,a1\n2,a2\n"
        self.good("a.csv", raw, headerRow=3, firstRow=5, want=ROWS[:2])
        self.good("a.csv", b"1,a1\n2,a2\n", headerRow=0, want=ROWS[:2])
        self.good("a.csv", b"x\n1,a1\n2,a2\n", headerRow=0, firstRow=2, delimiter=",", want=ROWS[:2])
        p = self.refused("rows_no_header", "a.csv", raw, headerRow=2)
        self.assertEqual(p["row"], 2)

    def test_header_without_rows(self):
        self.assertEqual(self.good("a.csv", b"n,name\n", want=[])["rows"], 0)

    def test_short_and_long_rows(self):
        frame = self.good("a.csv", b"n,name\n1\n2,a,b\n3,c,\n", want=[[1, None], [3, "c"]])
        self.assertEqual(frame["bad"], [{"row": 3, "column": "", "reason": "cells"}])


class Columns(Case):
    def test_order_is_the_receivers(self):
        self.good("a.csv", b"x,name,n\n9,a1,1\n", want=[[1, "a1"]])

    def test_header_ignoring_case_and_blanks(self):
        self.good("a.csv", b" N ,NAME\n1,a1\n", want=[[1, "a1"]])
        # The exact one wins over its like.
        self.good("a.csv", b"N,n,name\n7,1,a1\n", want=[[1, "a1"]])

    def test_map(self):
        self.good("a.csv", "编号,Full name\n1,a1\n".encode(), map={"n": "编号", "name": "full name"}, want=[[1, "a1"]])
        self.good("a.csv", b"x,y,z\n0,1,a1\n", map={"n": 2, "name": 3}, want=[[1, "a1"]])
        self.good("a.csv", b"0,1,a1\n", map={"n": 2, "name": 3}, headerRow=0, want=[[1, "a1"]])

    def test_missing(self):
        p = self.refused("rows_missing", "a.csv", b"n,other\n1,a\n")
        self.assertEqual((p["column"], p["row"]), ("name", 1))
        self.good("a.csv", b"n,other\n1,a\n", missing="ignore", want=[[1, None]])
        self.refused("rows_missing", "a.csv", CSV, map={"name": 3})

    def test_duplicate_and_extra(self):
        p = self.refused("rows_duplicate", "a.csv", b"n,name,name\n1,a,b\n")
        self.assertEqual(p["column"], "name")
        self.good("a.csv", b"n,name,x,x\n1,a,b,c\n", want=[[1, "a"]])
        self.assertEqual(self.refused("rows_extra", "a.csv", b"n,name,x\n1,a,b\n", extra="error")["column"], "x")

    def test_row_limit(self):
        self.refused("rows_limit", "a.csv", CSV, max_rows=2)
        self.good("a.csv", CSV, max_rows=3, want=ROWS)


class Values(Case):
    def one(self, text, kind, want, **keys):
        self.good("a.csv", ("v\n%s\n" % text).encode(), columns="v:" + kind, delimiter=";", want=[[want]], **keys)

    def test_numbers_stay_exact(self):
        for text in ("0.10", "123456789012345678901234567890.5", "-7"):
            frame, _, _ = rows("a.csv", ("v\n%s\n" % text).encode(), columns="v:real")
            self.assertEqual(frame["rows"], 1)
        with jail.Jail({"a.csv": b"v\n0.10\n"}) as j:
            j.run(task="rows", columns=[{"name": "v", "type": "real"}], file={})
            with open(j.out + "/rows.jsonl") as f:
                self.assertEqual(f.read(), "[0.10]\n")

    def test_what_is_no_number_is_text(self):
        for text in ("007", "abc", "1,5", ".5", "1e", "0x1", "--1"):
            self.one(text, "real", text)
        self.one("1e3", "real", 1e3)
        self.one("12", "text", "12")

    def test_decimal_comma(self):
        for text, want in (("1,5", 1.5), ("1.234,5", 1234.5), ("1.234", 1234), ("-0,25", -0.25), ("12", 12)):
            self.one(text, "real", want, decimal=",")
        for text in ("1.23", "1,2,3", "1.2345,6", ",", "abc"):
            frame = self.good("a.csv", ("v\n%s\n" % text).encode(), columns="v:real", delimiter=";", decimal=",", want=[])
            self.assertEqual(frame["bad"], [{"row": 2, "column": "v", "reason": "number"}])
        self.one("1,5", "text", "1,5", decimal=",")

    def test_null_and_trim(self):
        raw = b"n,name\n1, a \n2,-\n3,\n"
        self.good("a.csv", raw, nullText=["", "-"], want=[[1, "a"], [2, None], [3, None]])
        self.good("a.csv", raw, trim=False, nullText=["-"], want=[[1, " a "], [2, None], [3, ""]])

    def test_booleans(self):
        for text, want in (("true", True), ("NO", False), ("1", True), ("0", False), ("maybe", "maybe")):
            self.one(text, "boolean", want)

    def test_dates(self):
        self.one("2020-02-30", "date", "2020-02-30")           # the database says no
        self.one("31.12.2020", "date", "2020-12-31", dateFormat="dd.MM.yyyy")
        self.one("31.12.2020 08:05", "timestamp", "2020-12-31T08:05:00", dateFormat="dd.MM.yyyy HH:mm")
        frame = self.good("a.csv", b"d\n31.12.2020\n2020-12-31\n", columns="d:date", dateFormat="dd.MM.yyyy", want=[["2020-12-31"]])
        self.assertEqual(frame["bad"], [{"row": 3, "column": "d", "reason": "date"}])

    def test_twenty_bad_rows_are_told_all_are_counted(self):
        raw = b"d\n" + b"x\n" * 30
        frame = self.good("a.csv", raw, columns="d:date", dateFormat="yyyy", want=[])
        self.assertEqual((len(frame["bad"]), frame["bad_rows"], frame["bad"][19]["row"]), (20, 30, 21))

    def test_odd_characters_survive(self):
        text = "\u0001 \"q\" \\ \u2028 \U0001F600 '); drop table t;--"
        self.good("a.csv", ('v\n"%s"\n' % text.replace('"', '""')).encode(), columns="v", want=[[text]])


class Workbooks(Case):
    def test_xlsx(self):
        data = book(("Data", [["n", "name"]] + ROWS))
        self.assertEqual(self.good("a.xlsx", data, want=ROWS)["kind"], "xlsx")
        self.good("a.csv", data, want=ROWS)

    def test_sheets(self):
        data = book(("Old", [["n", "name"], [9, "z"]], "hidden"), ("Data", [["n", "name"]] + ROWS), ("2", [["n", "name"], [8, "y"]]))
        self.good("a.xlsx", data, want=ROWS)
        self.good("a.xlsx", data, sheet="Data", want=ROWS)
        self.good("a.xlsx", data, sheet=2, want=[[8, "y"]])
        self.good("a.xlsx", data, sheet="Old", want=[[9, "z"]])
        self.assertEqual(self.refused("sheet_unknown", "a.xlsx", data, sheet="None")["value"], "None")
        self.refused("sheet_unknown", "a.xlsx", data, sheet=9)

    def test_cells(self):
        wb = openpyxl.Workbook()
        ws = wb.active
        ws.append(["n", "name", "day", "at", "yes"])
        ws.append([1.5, "x", datetime.date(2020, 2, 29), datetime.datetime(2021, 3, 4, 5, 6, 7), True])
        ws.append([None, None, None, None, None])
        ws.append([2, "=1+1", None, None, False])
        ws.append([3, "#DIV/0!", None, None, None])
        ws["B5"].data_type = "e"
        ws.append([4, "merged", None, None, None])
        ws.merge_cells("B6:D6")
        # Below a merged cell a value may still stand, which nobody is shown.
        ws.append([5, "upper", "covered", None, None])
        ws.append([6, "covered", None, None, None])
        ws.merged_cells.add("B7:C8")
        out = io.BytesIO()
        wb.save(out)
        # openpyxl stores no value beside a formula: put one there, as a spreadsheet program does.
        with zipfile.ZipFile(out) as z:
            members = [(i, z.read(i)) for i in z.namelist()]
        data = archive([(n, d.replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>").replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
                        for n, d in members])
        frame = self.good("a.xlsx", data, columns="n:real name day:date at:timestamp yes:boolean", want=[
            [1.5, "x", "2020-02-29", "2021-03-04T05:06:07", True], [2, "2", None, None, False], [3, None, None, None, None],
            [4, "merged", None, None, None], [5, "upper", None, None, None], [6, None, None, None, None]])
        self.assertEqual(self.gaps, [[1, 2], [2, 4]])
        self.assertEqual([(w["code"], w["row"], w["args"]["count"]) for w in frame["warnings"]], [("rows_error_cells", 5, 1)])

    def test_dates_of_a_sheet_whatever_people_write(self):
        data = book(("d", [["d"], [datetime.date(2020, 2, 29)], ["01.03.2020"]]))
        self.good("a.xlsx", data, columns="d:date", dateFormat="dd.MM.yyyy", want=[["2020-02-29"], ["2020-03-01"]])

    def test_numbers_of_a_sheet_have_points(self):
        self.good("a.xlsx", book(("d", [["v"], [1.234], ["1,5"]])), columns="v:real", decimal=",", want=[[1.234], [1.5]])

    def test_whole_numbers_of_a_sheet_keep_their_digits(self):
        """16 digits a double holds exactly, and 19 that a program wrote as they are; only what has a fraction is rounded."""
        numbers = [1234567890123456, -9007199254740991, 1234567890123456789, 10 ** 15, 0.1 + 0.2, 2.5e-7]
        want = [1234567890123456, -9007199254740991, 1234567890123456789, 10 ** 15, 0.3, 2.5e-7]
        # openpyxl rounds what it writes: put the digits in its place.
        with zipfile.ZipFile(io.BytesIO(book(("d", [["n", "v"]] + [[77000 + i, 77000 + i] for i in range(len(numbers))])))) as z:
            members = [[n, z.read(n).decode()] for n in z.namelist()]
        for m in members:
            for i, n in enumerate(numbers):
                m[1] = m[1].replace(f"<v>{77000 + i}</v>", f"<v>{n}</v>")
        self.good("a.xlsx", archive(members), columns="n:real v:text", want=[[n, str(n)] for n in want[:5]] + [[2.5e-7, "2.5e-07"]])
        cell = '<table:table-cell office:value-type="float" office:value="%s"><text:p>x</text:p></table:table-cell>'
        line = "<table:table-row>%s</table:table-row>"
        head = '<table:table-cell office:value-type="string"><text:p>v</text:p></table:table-cell>'
        table = '<table:table table:name="d">' + line % head + "".join(line % (cell % n) for n in numbers) + "</table:table>"
        self.good("a.ods", ods(table), columns="v:real", want=[[n] for n in want])
        wb = xlwt.Workbook()
        ws = wb.add_sheet("d")
        for i, n in enumerate(["v"] + numbers[:2]):
            ws.write(i, 0, n)
        wb.save(out := io.BytesIO())
        self.good("a.xls", out.getvalue(), columns="v:integer", want=[[n] for n in want[:2]])

    def test_whole_numbers_as_other_programs_write_them(self):
        """Java's libraries write 1.0 and 1.38E10: in every kind of column they are the numbers a spreadsheet shows."""
        numbers = ["1.0", "-2.0", "1.38001380001E10", "1E+3", "1.10101199001011E+17", "9.9999999999999999E15", "1.234567890123457E+16", "-0.0"]
        want = ["1", "-2", "13800138000.1", "1000", "110101199001011000", "10000000000000000", "12345678901234570", "0"]
        with zipfile.ZipFile(io.BytesIO(book(("d", [["n", "v"]] + [[77000 + i, 77000 + i] for i in range(len(numbers))])))) as z:
            members = [[n, z.read(n).decode()] for n in z.namelist()]
        for m in members:
            for i, n in enumerate(numbers):
                m[1] = m[1].replace(f"<v>{77000 + i}</v>", f"<v>{n}</v>")
        self.good("a.xlsx", archive(members), columns="v:text", want=[[w] for w in want])
        cell = '<table:table-cell office:value-type="float" office:value="%s"><text:p>x</text:p></table:table-cell>'
        line = "<table:table-row>%s</table:table-row>"
        head = '<table:table-cell office:value-type="string"><text:p>v</text:p></table:table-cell>'
        whole = [i for i in range(len(want)) if "." not in want[i]]
        table = '<table:table table:name="d">' + line % head + "".join(line % (cell % numbers[i]) for i in whole) + "</table:table>"
        self.good("a.ods", ods(table), columns="v:integer", want=[[int(want[i])] for i in whole])

    def test_wide_sheets_are_told_the_limit(self):
        p = self.refused("csv_too_many_columns", "a.xlsx", book(("d", [[1] * 30])), limits={"csv_max_columns": 20})
        self.assertEqual((p["row"], p["args"]["limit"]), (1, 20))

    def test_spaces_of_an_ods_are_counted(self):
        cell = '<table:table-cell office:value-type="string"><text:p>%s</text:p></table:table-cell>'
        line = "<table:table-row>%s</table:table-row>"
        table = '<table:table table:name="d">' + line % (cell % "v") + line % (cell % 'a<text:s text:c="3"/>b<text:s/>c') + "</table:table>"
        self.good("a.ods", ods(table), columns="v", want=[["a   b c"]])

    def test_ods(self):
        data = ods('<table:table table:name="Data"><table:table-row><table:table-cell office:value-type="string"><text:p>n</text:p>'
                   '</table:table-cell><table:table-cell office:value-type="string"><text:p>name</text:p></table:table-cell></table:table-row>'
                   '<table:table-row table:number-rows-repeated="2"><table:table-cell office:value-type="float" office:value="1"><text:p>1,0'
                   '</text:p></table:table-cell><table:table-cell office:value-type="date" office:date-value="2020-02-29"><text:p>29.2.'
                   '</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell office:value-type="float" office:value="2">'
                   '<text:p>2</text:p></table:table-cell><table:table-cell office:value-type="string" office:string-value="" '
                   'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell></table:table-row></table:table>')
        frame = self.good("a.ods", data, want=[[1, "2020-02-29"], [1, "2020-02-29"], [2, None]])
        self.assertEqual((frame["kind"], frame["warnings"][0]["code"]), ("ods", "rows_error_cells"))

    def test_ods_written_by_others(self):
        with tempfile.TemporaryDirectory() as d:
            with open(d + "/a.csv", "wb") as f:
                f.write(CSV)
            subprocess.run(["ogr2ogr", "-f", "ODS", d + "/a.ods", d + "/a.csv", "-oo", "AUTODETECT_TYPE=YES"], check=True)
            with open(d + "/a.ods", "rb") as f:
                self.good("a.ods", f.read(), want=ROWS)


class OldWorkbooks(Case):
    """xls: by our own reader, as a library writes them and record by record."""
    HEADER = [xls.label(0, 0, "n"), xls.label(0, 1, "name")]
    CELLS = HEADER + [c for n in (1, 2, 3) for c in (xls.number(n, 0, n), xls.label(n, 1, f"a{n}"))]

    def written(self, fill, **kw):
        wb = xlwt.Workbook(**kw)
        fill(wb)
        out = io.BytesIO()
        wb.save(out)
        return out.getvalue()

    def test_as_a_library_writes_it(self):
        day, clock = xlwt.easyxf(num_format_str="YYYY-MM-DD"), xlwt.easyxf(num_format_str="dd.mm.yyyy hh:mm:ss")

        def fill(wb):
            ws = wb.add_sheet("Old")
            ws.visibility = 1
            ws.write(0, 0, "hidden")
            ws = wb.add_sheet("数据")
            for i, name in enumerate(("n", "name", "day", "at", "yes")):
                ws.write(1, i, name)
            ws.write(2, 0, 1.5)
            ws.write(2, 1, "北京 \U0001F600 é")
            ws.write(2, 2, datetime.date(2020, 2, 29), day)
            ws.write(2, 3, datetime.datetime(2021, 3, 4, 5, 6, 7), clock)
            ws.write(2, 4, True)
            ws.write(4, 0, 123456789012)
            ws.write(4, 1, "0.10")
            ws.write(4, 4, False)
            for i, v in enumerate((1, 2.25, -3, 0.01, 1e300)):
                ws.write(5, i, v)
        want = [[1.5, "北京 \U0001F600 é", "2020-02-29", "2021-03-04T05:06:07", True], [123456789012, "0.10", None, None, False]]
        raw = self.written(fill)
        frame, lines, _ = rows("a.xls", raw, columns="n:real name day:date at:timestamp yes:boolean", headerRow=2)
        self.assertEqual((frame["type"], frame["kind"], lines[:2]), ("result", "xls", want), frame)
        self.good("no ending", raw, columns="n:real name day at yes", headerRow=2, firstRow=6, want=[[1, "2.25", "-3", "0.01", "1e+300"]])
        self.good("a.zip", archive([("in/a.xls", raw)]), columns="n:real name", headerRow=2, firstRow=5, want=[[123456789012, "0.10"], [1, "2.25"]])
        self.good("a.xls", raw, columns="hidden", sheet="Old", want=[])
        self.good("a.xls", raw, columns="hidden", sheet=2, want=[])
        self.refused("sheet_unknown", "a.xls", raw, sheet="None")
        self.assertEqual(self.refused("rows_type", "a.xls", raw, fileTypes=["xlsx"])["args"]["sent"], "xls")

    def test_many_texts_go_on_in_further_records(self):
        """The table of texts is over 8 KiB: it is cut anywhere, also inside a text."""
        words = [f"{'北京' if i % 3 else 'abc'}{i}" * 40 for i in range(2000)]

        def fill(wb):
            ws = wb.add_sheet("d")
            ws.write(0, 0, "v")
            for i, w in enumerate(words):
                ws.write(i + 1, 0, w)
        self.good("a.xls", self.written(fill), columns="v", want=[[w] for w in words])

    def test_a_cut_in_a_text_changes_its_width(self):
        sst = struct.pack("<II", 2, 2) + struct.pack("<H", 4) + b"\0ab"
        more = b"\1" + "北京".encode("utf-16le") + struct.pack("<HBH", 2, 8, 1) + b"xy" + b"font"
        cells = self.HEADER + [xls.number(1, 0, 1), xls.cell(0xFD, 1, 1, struct.pack("<I", 0)), xls.number(2, 0, 2),
                               xls.cell(0xFD, 2, 1, struct.pack("<I", 1)), xls.cell(0xFD, 3, 1, struct.pack("<I", 7))]
        raw = xls.workbook(("d", 0, cells), before=[(0xFC, sst), (0x3C, more)])
        self.good("a.xls", raw, want=[[1, "ab北京"], [2, "xy"]])

    def test_short_and_long_streams(self):
        for cutoff in (4096, 1):
            self.good("a.xls", xls.workbook(("d", 0, self.CELLS), cutoff=cutoff), want=ROWS)

    def test_numbers_of_thirty_bits(self):
        rk = lambda row, v, flags: xls.cell(0x27E, row, 0, struct.pack("<I", (v & 0xFFFFFFFC) | flags))
        half = struct.unpack("<I", struct.pack("<d", 2.5)[4:])[0]
        cells = [xls.label(0, 0, "v"), rk(1, 12345 << 2, 2), rk(2, 12345 << 2, 3), rk(3, -7 << 2, 2), rk(4, half, 0), rk(5, half, 1)]
        self.good("a.xls", xls.workbook(("d", 0, cells)), columns="v:real", want=[[12345], [123.45], [-7], [2.5], [0.025]])

    def test_formulas_give_their_values_errors_nothing(self):
        formula = lambda row, value: xls.cell(0x06, row, 1, value + struct.pack("<HIH", 0, 0, 0))
        other = lambda kind, v=0: bytes([kind, 0, v, 0, 0, 0, 0xFF, 0xFF])
        cells = self.HEADER + [formula(1, struct.pack("<d", 2)), formula(2, other(0)), (0x207, struct.pack("<H", 5) + xls.text("first")),
                               formula(3, other(1, 1)), formula(4, other(2, 7)), xls.number(4, 0, 4), xls.cell(0x205, 5, 1, b"\x2a\1"),
                               xls.cell(0x205, 6, 1, b"\0\0"), formula(7, other(3)), xls.number(7, 0, 7)]
        frame = self.good("a.xls", xls.workbook(("d", 0, cells)), want=[
            [None, "2"], [None, "first"], [None, "true"], [4, None], [None, "false"], [7, None]])
        self.assertEqual([(w["code"], w["row"], w["args"]["count"]) for w in frame["warnings"]], [("rows_error_cells", 5, 2)])

    def test_charts_and_merged_cells(self):
        chart = [xls.bof(0x20), xls.number(9, 9, 9), xls.EOF]
        merged = (0xE5, struct.pack("<HHHHH", 1, 2, 3, 1, 1))
        raw = xls.workbook(("d", 0, self.CELLS[:4] + chart + self.CELLS[4:] + [merged]))
        self.good("a.xls", raw, want=[[1, "a1"], [2, "a2"], [3, None]])

    def test_dates_count_from_1904_where_the_book_says_so(self):
        before = [(0x22, b"\1\0"), (0xE0, struct.pack("<HH", 0, 0) + bytes(16)), (0xE0, struct.pack("<HH", 0, 14) + bytes(16))]
        raw = xls.workbook(("d", 0, [xls.label(0, 0, "d"), xls.number(1, 0, 42063, style=1)]), before=before)
        self.good("a.xls", raw, columns="d:date", want=[["2019-03-01"]])

    def test_excel_95(self):
        label = lambda row, col, s: xls.cell(0x204, row, col, struct.pack("<H", len(s.encode("gbk"))) + s.encode("gbk"))
        cells = [label(0, 0, "n"), label(0, 1, "名"), xls.number(1, 0, 1), label(1, 1, "北京")]
        raw = xls.workbook(("表", 0, cells), before=[(0x42, struct.pack("<H", 936))], version=0x0500)
        self.good("a.xls", raw, columns="n:integer 名", sheet="表", want=[[1, "北京"]])

    def test_refused(self):
        book_ = lambda **kw: xls.workbook(("d", 0, self.CELLS), **kw)
        self.refused("rows_encrypted", "a.xls", book_(before=[(0x2F, bytes(54))]))
        self.refused("rows_macro", "a.xls", book_(streams={"_VBA_PROJECT_CUR": b"program"}))
        self.refused("rows_not_table", "a.doc", xls.compound({"WordDocument": b"words" * 1000}))
        self.refused("rows_xls", "a.xls", xls.workbook(("d", 0, self.CELLS), version=0x0400))
        self.refused("format_unreadable", "a.xls", xls.workbook(before=[]))

    def test_damaged(self):
        """Tables that lie, chains that run in circles, records cut short: refused, or read as far as they are right; never more."""
        good = xls.workbook(("d", 0, self.CELLS), cutoff=1)
        self.refused("format_unreadable", "a.xls", good[:700])
        for at, value in ((0x2C, 0xFFFFFFFF), (0x30, 0x7FFFFFFF), (0x44, 0), (0x4C, 0xFFFFFFF0), (0x1E, 0x0040), (0x30, 3)):
            raw = bytearray(good)
            raw[at:at + 4] = struct.pack("<I", value)
            frame, _, _ = rows("a.xls", bytes(raw))
            self.assertIn(frame["type"], ("result", "failed"), (hex(at), frame))
        circle = bytearray(good)
        fat = struct.unpack("<I", good[0x4C:0x50])[0] * 512 + 512
        circle[fat:fat + 4] = struct.pack("<I", 0)
        self.refused("format_unreadable", "a.xls", bytes(circle))
        for cells in ([xls.number(5, 0, 1), xls.number(2, 0, 1)], [(0x203, b"\0\0")], [xls.cell(0x203, 1, 0, b"\0")],
                      [xls.cell(0x204, 1, 0, b"\xff\xff\1x")], [xls.cell(0x06, 1, 0, b"")], [xls.cell(0xBD, 1, 0, b"")]):
            self.refused("format_unreadable", "a.xls", xls.workbook(("d", 0, self.HEADER + cells)))
        sst = (0xFC, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + b"\0\0\0" * 2)
        self.refused("format_unreadable", "a.xls", xls.workbook(("d", 0, self.CELLS), before=[sst]))

    def test_no_byte_of_it_is_trusted(self):
        """Bytes changed at random: an answer each time, no job that dies."""
        chance = random.Random(95)
        good = xls.workbook(("d", 0, self.CELLS + [(0xE5, struct.pack("<HHHHH", 1, 2, 3, 1, 1))]),
                            before=[(0xFC, struct.pack("<IIHB", 1, 1, 2, 0) + b"ab")])
        for _ in range(60):
            raw = bytearray(good)
            for _n in range(chance.randint(1, 12)):
                raw[chance.randrange(8, len(raw))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
            frame, _, _ = rows("a.xls", bytes(raw))
            self.assertIsNotNone(frame)
            self.assertIn(frame["type"], ("result", "failed"), frame)
            self.assertTrue(frame["type"] == "result" or frame["problems"], frame)


class Zips(Case):
    def test_one_table_in_it(self):
        for inner in (CSV, CSV.replace(b",", b";"), book(("d", [["n", "name"]] + ROWS))):
            self.good("a.zip", archive([("folder/", b""), ("folder/../x.csv".replace("../", ""), inner), ("__MACOSX/._x.csv", b"text"),
                                        ("folder/.DS_Store", b"text"), ("folder/Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)),
                                        ("desktop.ini", b"[.ShellClassInfo]\r\n"), ("folder/~$x.xlsx", b"mei")]), want=ROWS)
        self.good("a.zip", archive([("data.csv", CSV), ("readme.txt", b"see data"), ("logo.png", b"\x89PNG\r\n\x1a\n\0\0")]), want=ROWS)

    def test_names_are_never_used(self):
        self.refused("zip_path", "a.zip", archive([("../../x.csv", CSV)]))

    def test_none_and_two(self):
        self.refused("rows_no_table", "a.zip", archive([("logo.png", b"\x89PNG\r\n\x1a\n\0\0")]))
        p = self.refused("rows_tables", "a.zip", archive([("a.csv", CSV), ("b.csv", CSV)]))
        self.assertEqual(p["args"]["count"], 2)
        self.refused("rows_no_table", "a.zip", archive([("inner.zip", archive([("a.csv", CSV)]))]))

    def test_limits(self):
        self.refused("zip_entries", "a.zip", archive([("%d.csv" % i, CSV) for i in range(101)]))
        self.refused("zip_ratio", "a.zip", archive([("a.csv", b"n,name\n" + b"1,a\n" * 2000000)]))
        big = hostile.Zip().add("a.csv", CSV, size=3 << 30, packed=len(CSV)).bytes()
        self.assertIn(jail.codes(rows("a.zip", big)[0])[0], ("zip_too_big", "zip_invalid", "zip_ratio"))
        self.refused("zip_encrypted", "a.zip", hostile.Zip().add("a.csv", CSV, flags=1).bytes())


class Refused(Case):
    def test_by_content(self):
        ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
        self.refused("file_empty", "a.csv", b"")
        self.refused("content_mismatch", "a.xlsx", CSV)
        self.refused("content_mismatch", "a.zip", CSV)
        self.refused("format_unreadable", "a.xls", ole + "Workbook".encode("utf-16le"))
        self.refused("rows_encrypted", "a.xlsx", ole + "EncryptedPackage".encode("utf-16le"))
        self.refused("rows_macro", "a.xlsm", book(("d", ROWS), macro=True))
        for raw, sent in ((b"%PDF-1.4\n", "pdf"), (b"{}", "json"), (b"<?xml version='1.0'?><a/>", "xml"), (b"\x89PNG\r\n\x1a\n\0", "png"),
                          (b"a,b\n\0,1\n", "binary")):
            self.assertEqual(self.refused("rows_not_table", "a.csv", raw)["args"]["sent"], sent)

    def test_kinds_the_receiver_does_not_take(self):
        for name, raw, kind in (("a.csv", CSV, "csv"), ("a.tsv", CSV.replace(b",", b"\t"), "tsv"), ("a.xlsx", book(("d", ROWS)), "xlsx"),
                                ("a.zip", archive([("a.csv", CSV)]), "zip")):
            self.assertEqual(self.refused("rows_type", name, raw, fileTypes=["ods"])["args"]["sent"], kind)
        self.refused("rows_type", "a.zip", archive([("a.csv", CSV)]), fileTypes=["zip", "xlsx"])
        self.good("a.zip", archive([("a.csv", CSV)]), fileTypes=["zip", "csv"], want=ROWS)

    def test_hostile_workbooks(self):
        self.refused("xml_forbidden", "a.xlsx", archive([
            ("[Content_Types].xml", "<Types/>"), ("_rels/.rels", "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>"),
            ("xl/workbook.xml", "<workbook/>")]))
        self.refused("format_unreadable", "a.xlsx", archive([("[Content_Types].xml", "<Types/>"), ("xl/workbook.xml", "<workbook/>")]))
        half = book(("d", [["n", "name"]] + ROWS * 100))
        self.assertNotEqual(jail.codes(rows("a.xlsx", half[:len(half) // 2])[0]), [])

    def test_quote_never_closed_and_wide_rows(self):
        self.refused("csv_open_quote", "a.csv", b'n,name\n1,"a\n')
        self.refused("csv_too_many_columns", "a.csv", b"n,name\n" + b"," * 3000 + b"\n", limits={"csv_max_columns": 2000})
        self.refused("csv_cell_too_long", "a.csv", b"n,name\n1," + b"x" * 3000 + b"\n", limits={"csv_max_cell_bytes": 2000})

    def test_output_limit(self):
        raw = b"n,name\n" + b"".join(b"%d,%s\n" % (i, b"x" * 1000) for i in range(5000))
        frame, _, _ = rows("a.csv", raw, limits={"output_max_bytes": 1 << 20})
        self.assertEqual(frame["type"], "failed")


if __name__ == "__main__":
    unittest.main()
