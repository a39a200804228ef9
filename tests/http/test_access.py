"""Goal: pages can be used by keyboard and read aloud: every field has a label, every reference a target, every error is announced and
leads to its field, nothing needs a script (wizard.md 3.3; case 44; the browser tests add an automatic checker)."""
import html.parser
import re

from harness import USER, main
from made import HTML, Browser, geojson, shapefile
from steps import points, post, saved, table

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Tree(html.parser.HTMLParser):
    """Elements with their text, and what is wrong with the nesting."""

    def __init__(self, text):
        super().__init__()
        self.all, self.open, self.wrong = [], [], []
        self.feed(text)
        self.wrong += ["unclosed " + e["tag"] for e in self.open if e["tag"] not in ("p", "li", "html", "body")]

    def handle_starttag(self, tag, attrs):
        e = {"tag": tag, "a": dict(attrs), "text": "", "up": [x["tag"] for x in self.open], "in": list(self.open)}
        if len(attrs) != len(dict(attrs)):
            self.wrong.append(f"{tag}: an attribute twice")
        self.all.append(e)
        if tag not in VOID:
            self.open.append(e)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1]["tag"] != tag:
            self.wrong.append(f"</{tag}> in {[e['tag'] for e in self.open[-3:]]}")
            while self.open and self.open[-1]["tag"] != tag:
                self.open.pop()
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        for e in self.open:
            e["text"] += data

    def find(self, *tags):
        return [e for e in self.all if e["tag"] in tags]


def check(where, text):
    t = Tree(text)
    assert not t.wrong, (where, t.wrong)
    ids = [e["a"]["id"] for e in t.all if "id" in e["a"]]
    assert len(ids) == len(set(ids)), (where, sorted(i for i in ids if ids.count(i) > 1))
    assert t.find("html")[0]["a"].get("lang") in ("en", "zh-Hans"), where
    assert t.find("title")[0]["text"].strip() and len(t.find("h1")) == 1 and len(t.find("main")) == 1, where
    levels = [int(e["tag"][1]) for e in t.find("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])), (where, levels)
    labels = {e["a"].get("for") for e in t.find("label")}
    for e in t.find("input", "select", "textarea"):
        if e["a"].get("type") in ("hidden", "submit") or e["a"].get("aria-hidden") == "true":
            continue
        named = e["a"].get("id") in labels or "label" in e["up"] or "aria-label" in e["a"] or "aria-labelledby" in e["a"]
        assert named, (where, e["a"])
    for e in t.find("button", "a", "h1", "h2", "h3", "th", "legend", "label", "summary"):
        words = e["text"].strip() or e["a"].get("aria-label") or any(
            x["tag"] == "img" and x["a"].get("alt") for x in t.all if e in x["in"]) or e["tag"] == "th"
        assert words, (where, e["tag"], e["a"])
    for e in t.all:
        a = e["a"]
        assert not any(n.startswith("on") for n in a) and int(a.get("tabindex", "0")) <= 0, (where, e["tag"], a)
        assert e["tag"] != "img" or "alt" in a, (where, a)
        for name in ("aria-describedby", "aria-labelledby", "aria-controls", "for", "list"):
            for ref in a.get(name, "").split():
                assert ref in ids, (where, e["tag"], name, ref)
        if a.get("href", "").startswith("#"):
            assert a["href"][1:] in ids, (where, a["href"])
        if e["tag"] == "fieldset":
            assert any(x["tag"] == "legend" and e in x["in"] for x in t.all), (where, a)
        if a.get("target") == "_blank":
            assert "noopener" in a.get("rel", ""), (where, a)
        if e["tag"] == "form":
            assert a.get("method") in ("get", "post") and a.get("action"), (where, a)
            assert a["method"] == "get" or any(x["a"].get("name") == "csrfmiddlewaretoken" for x in t.all if e in x["in"]), (where, a)
            assert any(x["tag"] == "button" and x["a"].get("type", "submit") == "submit" for x in t.all if e in x["in"]), (where, a)
    return t


def pages(server):
    """(where, page) of every kind of page, as somebody logged in sees them."""
    csv = saved(server, table("dates.csv", "lat,lng,day,name", "1,2,2020-01-01,a", "x,2,2020-02-31,b", *["1,2,2020-01-02,c"] * 12), time="true")
    shp = saved(server, *shapefile("nocrs", [(1, 2), (3, 4)]))
    done = points(server, "done", ["1,2,a", "x,2,b"] + ["1,2,c"] * 12, access="view")
    n = done["dataset"]["id"]
    post(server, csv, "csv", lat="lat", lng="lng", bad_rows="keep")
    post(server, csv, "srs", source="EPSG:4326")
    for path in ("/", "/about", "/upload/", f"/upload/csv?id={csv}", f"/upload/srs?id={shp}", f"/upload/time?id={csv}", f"/upload/final?id={csv}",
                 f"/upload/srs?id={shp}&q=beijing", f"/upload/delete/{csv}", "/datasets/", "/datasets/?q=nothing", f"/datasets/{n}",
                 f"/datasets/{n}/delete", "/account/password", "/nosuch", "/upload/srs?id=999999", "/upload/time"):
        yield path, "GET", None
    for path, fields in ((f"/upload/csv?id={csv}", {"lat": "name", "lng": "lng"}), (f"/upload/csv?id={csv}", {"lat": "lat", "lng": "lat"}),
                         (f"/upload/srs?id={shp}", {"source": "foo"}), (f"/upload/srs?id={shp}", {"source": "EPSG:4326", "target": "x"}),
                         (f"/upload/time?id={csv}", {"text_attribute": "day"}),
                         (f"/upload/time?id={csv}", {"text_attribute": "day", "presentation_strategy": "x"}),
                         (f"/upload/final?id={csv}", {"title": "x" * 300}), (f"/upload/final?id={csv}", {"permissions": "{"}),
                         (f"/upload/final?id={csv}", {"mode": "append", "dataset": str(n)}), ("/upload/", {}),
                         ("/account/password", {"old": "x", "password": "y"}), (f"/upload/srs?id={shp}", {"rev": "77"})):
        yield path, "POST", fields


def test_every_page_is_well_formed_and_named(server):
    browser = Browser(server, *USER)
    for lang in ("en", "zh"):
        for path, method, fields in pages(server):
            send = {"Accept": HTML, "Accept-Language": lang, "Cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
            if method == "GET":
                a = server.get(path, headers=send, user=None)
            else:
                a = server.post(path, {**fields, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}, headers=send, user=None)
            assert a.header("Content-Type") == "text/html; charset=utf-8", (path, a)
            t = check((lang, method, path, fields), a.text)
            if a.status == 400 or method == "POST":
                alerts = [e for e in t.all if e["a"].get("role") == "alert"]
                assert len(alerts) >= 1 and alerts[0]["text"].strip(), (path, fields, a.status)
                if fields is not None and "rev" not in fields and path != "/upload/":
                    linked = [e["a"].get("href", "") for e in t.find("a") if alerts[0] in e["in"]]
                    assert any(h.startswith("#f-") for h in linked), (path, fields, linked)


def test_pages_for_strangers(server):
    for path in ("/", "/login", "/login?next=/upload/", "/about", "/datasets/", "/nosuch", "/first?token=x"):
        check(path, server.get(path, accept=HTML, user=None).text)


def test_typed_values_are_kept(server):
    session = saved(server, table("kept.csv", "a,b,name", "1,2,x"))
    page = server.post(f"/upload/csv?id={session}", {"lat": "name", "lng": "b", "bad_rows": "skip"}, accept=HTML).text
    selects = {e["a"].get("name"): e for e in Tree(page).find("select")}
    for name, value in (("lat", "name"), ("lng", "b"), ("bad_rows", "skip")):
        if name in selects:
            assert re.search(rf'<option value="{value}"[^>]*selected', page), (name, page)
    session = saved(server, geojson("kept.geojson", [(1, 2)]))
    page = server.post(f"/upload/final?id={session}", {"title": "My title", "abstract": "My words", "keywords": "a, b", "permissions": "{"},
                       accept=HTML).text
    assert 'value="My title"' in page and "My words</textarea>" in page and 'value="a, b"' in page, page


if __name__ == "__main__":
    import test_access
    main(test_access)
