"""Goal: the catalogue as iPortal's clients read it: every parameter in every spelling, orders, pages, visibility, formats, the
page for people (datas.md 2-8, cases 1-10, 16, 17, 19-22, 28, 29, 32, 33)."""
import base64
import hashlib
import http.client
import json
import re
import time
import unicodedata
import urllib.parse
import xml.etree.ElementTree

from datas import DATAS, ECHO, MINE, ask, entity, good, ids, item, make, query, refused
from harness import USER, Server, main
from steps import configured

MEMBERS = ("id fileName type size MD5 status userName nickname createTime lastModfiedTime description tags thumbnail coordType "
           "dataMetaInfo dataCheckResult serviceStatus dataItemServices authorizeSetting downloadCount storageId serviceId "
           "publishInfo").split()


def test_01_empty_catalogue(server):
    a = ask(server, "GET", DATAS + ".rjson", user=None)
    assert a.status == 200 and a.header("Content-Type") == "application/json;charset=UTF-8", a
    page = a.json
    assert (page["total"], page["totalPage"], page["pageSize"], page["currentPage"], page["content"]) == (0, 0, 9, 1, []), page
    assert sorted(page["searchParameter"]) == sorted(ECHO), page
    assert {k: v for k, v in page["searchParameter"].items() if v is not None} == {
        "createEnd": -1, "createStart": -1, "currentPage": 1, "pageSize": 9, "orderType": "ASC"}, page


def test_02_pages(server):
    made = [make(server, f"p{n:02}.csv", None, tags=["page"]) for n in range(31)]
    seen = []
    for n in range(1, 6):
        page = query(server, MINE, tags=["page"], currentPage=n)
        assert page["total"] == 31 and page["totalPage"] == 4 and page["currentPage"] == n, page
        seen += ids(page)
    assert seen == made and page["content"] == [], seen
    good(ask(server, "POST", MINE + "/delete.json", made))


def test_02_long_pages(server):
    made = [make(server, f"long{n}.csv", None, tags=["long"]) for n in range(430)]
    q = "?tags=long&pageSize=1000&orderType=DESC"
    whole = good(ask(server, "GET", MINE + ".json" + q))
    assert ids(whole) == made[::-1] and whole["total"] == 430 and whole["totalPage"] == 1 and len(whole["searchParameter"]) == 31
    assert whole["content"][7] == item(server, made[-8])
    assert good(ask(server, "GET", MINE + ".rjson" + q)) == whole
    head = ask(server, "HEAD", MINE + ".json" + q)
    assert int(head.header("Content-Length")) == len(ask(server, "GET", MINE + ".json" + q).body)
    x = xml.etree.ElementTree.fromstring(ask(server, "GET", MINE + ".xml" + q).body)
    assert [int(d.find("id").text) for d in x.findall("content/DataItem")] == made[::-1] and x.find("total").text == "430"
    script = ask(server, "GET", f"{MINE}.jsonp{q}&callback=f&token={server.tokens['mei']}", user=None).text
    assert json.loads(re.fullmatch(r"f\((.*),200\);", script, re.S).group(1)) == whole
    part = good(ask(server, "GET", MINE + ".json?tags=long&pageSize=205&currentPage=2"))
    assert ids(part) == made[205:410] and part["totalPage"] == 3
    assert ask(server, "GET", MINE + ".html?tags=long&pageSize=1000").text.count("long") > 200
    good(ask(server, "POST", MINE + "/delete.json", made))


def fill(server):
    """Items of two users, each different in all that is asked for."""
    if hasattr(server, "made"):
        return server.made
    one = make(server, "wells.csv", b"x,y\n1,2\n", tags=["water", "a,b"], description="Brunnen im Tal", coordType="WGS84",
               share=[("GUEST", "DOWNLOAD")])
    two = make(server, "民航 机场.json", b'{"a":1}', type="JSON", tags=["air"], share=[("otto", "SEARCH")])
    three = make(server, "Straßen.shp.zip", b"PK", tags=["road", "Water"], user="otto", share=[("mei", "DELETE")])
    four = make(server, "b.pdf", b"%PDF", user="otto")
    five = make(server, "WELLS.csv", b"x\n" * 40, tags=["water"], user="otto", share=[("GUEST", "SEARCH")])
    server.made = one, two, three, four, five
    return server.made


def test_03_each_parameter(server):
    one, two, three, four, five = fill(server)
    every = [one, two, three, five]
    cases = [
        ({}, every), ({"ids": [two, 99999, four, one]}, [one, two]), ({"tags": ["water"]}, [one, five]), ({"tags": ["a,b"]}, [one]),
        ({"tags": ["air", "road"]}, [two, three]), ({"userNames": ["otto"]}, [three, five]), ({"userName": "mei"}, [one, two]),
        ({"types": ["CSV", "SHP"]}, [one, three, five]), ({"type": "JSON"}, [two]), ({"fileName": "wells.csv"}, [one]),
        ({"fileName": "wells"}, []), ({"searchScope": "PUBLIC"}, [one, five]), ({"searchScope": "MY_RES"}, [one, two]),
        ({"searchScope": "SHARETOME_RES"}, [three]), ({"searchScope": "SHARETOME"}, [three]), ({"searchScope": "MYGROUP_RES"}, []),
        ({"searchScope": "MYDEPARTMENT_RES"}, []), ({"searchScope": "ALL"}, every), ({"shareToMe": True}, [three]),
        ({"permissionType": "DELETE"}, [one, two, three]), ({"permissionType": "DOWNLOAD"}, [one, two, three]),
        ({"permissionType": "SEARCH"}, every), ({"isPublic": True}, [one, five]), ({"isPublic": False}, every),
        ({"status": "OK"}, every), ({"status": "CREATED"}, []), ({"status": ["OK", "MODIFYING"]}, every),
        ({"serviceStatuses": ["UNPUBLISHED"]}, every), ({"serviceStatus": "PUBLISHED"}, []), ({"serviceId": f"{one}-WFS200"}, []),
        ({"keywords": ["ELL"]}, [one, five]), ({"keywords": ["机场"]}, [two]), ({"keywords": ["民航", "机"]}, [two]),
        ({"keywords": ["tal"]}, [one]), ({"keywords": ["ott"]}, [three, five]), ({"keywords": ["wel", "mei"]}, [one]),
        ({"keywords": ["mei"], "filterFields": ["TAGS"]}, []), ({"keywords": ["mei"], "filterFields": ["NICKNAME"]}, [one, two]),
        ({"keywords": ["wells"], "filterFields": ["LINKPAGE"]}, []), ({"keywords": ["wells"], "filterFields": ["RESTITLE"]}, [one, five]),
        ({"filterFields": ["TAGS"]}, every), ({"keywords": [""]}, every), ({"isNotInDir": True}, every), ({"dirIds": [1]}, []),
        ({"createStart": 1}, every), ({"createEnd": 1}, []), ({"pageSize": -3}, every), ({"currentPage": 0}, every),
        ({"currentUser": "x", "groupIds": [1], "departmentIds": [1], "resourceIds": [1], "md5s": ["x"]}, every),
        ({"hasServices": True, "permissionType": "DOWNLOAD"}, [one, two, three]),
    ]
    for parameters, expected in cases:
        page = query(server, **parameters)
        assert ids(page) == expected and page["total"] == len(expected), (parameters, ids(page), expected)
        down = query(server, orderType="DESC", pageSize=2, **{k: v for k, v in parameters.items() if k != "pageSize"})
        assert ids(down) == expected[::-1][:2] and down["total"] == len(expected), (parameters, ids(down))
        assert sorted(page["searchParameter"]) == sorted(ECHO)


def test_03_echo(server):
    page = query(server, ids=[3, 1], types=["csv"], orderBy="filename", orderType="desc", isPublic=True, keywords=["a", "b"],
                 pageSize=99999, currentPage=-4, createStart=5, status="ok", searchScope="public", shareToMe=False)
    echo = {k: v for k, v in page["searchParameter"].items() if v is not None}
    assert echo == {"ids": [3, 1], "types": ["CSV"], "orderBy": "FILENAME", "orderType": "DESC", "isPublic": True,
                    "keywords": ["a", "b"], "pageSize": 10000, "currentPage": 1, "createStart": 5, "createEnd": -1, "status": "OK",
                    "searchScope": "PUBLIC", "shareToMe": False}, echo


def raw(server, text, path=DATAS):
    """A query string sent as it stands, UTF-8 and brackets too."""
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    c.putrequest("GET", "/x", skip_accept_encoding=True)
    c._buffer[0] = f"GET {path}.json?{text} HTTP/1.1".encode()
    c.putheader("Authorization", "Bearer " + server.tokens["mei"])
    c.endheaders()
    r = c.getresponse()
    body = r.read()
    c.close()
    assert r.status == 200, (text, body)
    return json.loads(body)


def test_04_spellings(server):
    one, two, three, four, five = fill(server)
    for expected, texts in {
        (one, two, five): ("types=%5B%22CSV%22%2C+%22JSON%22%5D", 'types=["CSV","JSON"]', "types=[CSV,JSON]", "types=CSV,JSON",
                           "types=CSV&types=JSON", "types=[ csv , JSON ]", "types=CSV&type=JSON"),
        (two,): (f"ids=[{two}]", f'ids=["{two}"]', f"ids={two}", f"ids={two}&", f"&&ids={two}&_=7", 'keywords=["民航"]',
                 r'keywords=["\u6c11\u822a"]', "keywords=民航", "keywords=%E6%B0%91%E8%88%AA",
                 "fileName=%E6%B0%91%E8%88%AA+%E6%9C%BA%E5%9C%BA.json"),
        (one, two): (f"ids={one},{two}", f"ids=[{one},{two}]", f"ids={one}&ids={two}", "userNames=[mei]", "userNames=mei"),
        (one,): ("tags=a,b", 'tags=["a,b"]', "tags=a%2Cb"),
        (one, two, three, five): ("ids=[]", "ids=null", "fileName=", "isPublic=", "types=", "t=123", "_t=4", "returnContent=true",
                                  "isPublic=false", "isPublic=0", "isPublic=False"),
        (one, five): ("isPublic=True", "isPublic=TRUE", "isPublic=1", "&isPublic=true", "isPublic=false&isPublic=true"),
        (five, three, two, one): ("orderType=desc", "orderType=DESC&orderBy=id", "orderBy=null&orderType=Desc"),
    }.items():
        for text in texts:
            assert ids(raw(server, text)) == list(expected), (text, expected, ids(raw(server, text)))


def test_05_orders(server):
    fill(server)
    keys = {"CREATETIME": "createTime", "DOWNLOADCOUNT": "downloadCount", "FILENAME": "fileName", "ID": "id",
            "LASTMODIFIEDTIME": "lastModfiedTime", "UPDATETIME": "lastModfiedTime", "NICKNAME": "nickname",
            "SERVICESTATUS": "serviceStatus", "SIZE": "size", "STATUS": "status", "TYPE": "type", "USERNAME": "userName"}
    for order, key in keys.items():
        up, down = query(server, orderBy=order), query(server, orderBy=order, orderType="DESC")
        assert ids(up) == ids(down)[::-1], order
        values = [(v.casefold() if isinstance(v := d[key], str) else v, d["id"]) for d in up["content"]]
        assert values == sorted(values), (order, values)


def test_06_normal_forms(server):
    id = make(server, unicodedata.normalize("NFD", "Bäche.csv"), None, tags=[unicodedata.normalize("NFD", "Größe")])
    for form in ("NFC", "NFD"):
        for parameters in ({"fileName": "Bäche.csv"}, {"keywords": ["bäch"]}, {"tags": ["Größe"]}):
            parameters = {k: json.loads(unicodedata.normalize(form, json.dumps(v, ensure_ascii=False))) for k, v in parameters.items()}
            assert ids(query(server, MINE, **parameters)) == [id], (form, parameters)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_07_long_queries_as_post(server):
    one, *_ = fill(server)
    for path in (DATAS, MINE):
        for body in ({"ids": [one], "isPublic": True}, {"ids": [str(one)], "isPublic": "true"}, {"keywords": ["wells"] * 20, "userName": "mei"}):
            a = good(ask(server, "POST", path + ".json?_method=GET&currentPage=1&ids=99999", body))
            expected = [one] if "ids" in body else []
            assert ids(a) == expected, (path, body, a)
    long = {"keywords": ["wells", "x" * 190], "tags": ["water"] * 600}
    assert good(ask(server, "POST", DATAS + ".json?_method=GET", long))["searchParameter"]["tags"] == ["water"] * 600
    refused(ask(server, "POST", DATAS + ".json?_method=GET", [1]), 400)


def test_08_formats(server):
    one, *_ = fill(server)
    odd = make(server, "a<&>]]>'\".csv", b"a\n", tags=["<b>&"], description="x]]>y")
    for path in (DATAS, f"{DATAS}/{one}", f"{DATAS}/99999", MINE):
        for suffix in ("", ".json", ".rjson", ".xml", ".html", ".jsonp", ".png", ".JSON", ".Xml"):
            g, h = ask(server, "GET", path + suffix), ask(server, "HEAD", path + suffix)
            assert g.status == h.status and g.header("Content-Type") == h.header("Content-Type") and h.body == b"", (path, suffix, g)
            assert g.header("Content-Length") == h.header("Content-Length") == str(len(g.body)), (path, suffix)
            kind = {"": "text/html", ".html": "text/html", ".xml": "application/xml", ".jsonp": "javascript"}.get(suffix.lower(), "application/json")
            assert kind in g.header("Content-Type") and "charset=utf-8" in g.header("Content-Type").lower(), (path, suffix, g.headers)
            assert g.header("Cache-Control") == "private, no-cache" and "Origin" in g.header("Vary") and "Cookie" in g.header("Vary")
            if suffix == ".png":
                refused(g, 406)
    assert ask(server, "GET", DATAS + ".json").json == ask(server, "GET", DATAS + ".rjson").json
    x = xml.etree.ElementTree.fromstring(ask(server, "GET", f"{DATAS}/{odd}.xml").body)
    assert x.tag == "DataItem" and x.find("fileName").text == "a<&>]]>'\".csv" and x.find("tags/string").text == "<b>&", x
    assert x.find("thumbnail") is None and x.find("dataItemServices").text is None, x
    x = xml.etree.ElementTree.fromstring(ask(server, "GET", DATAS + ".xml").body)
    assert x.tag == "Page" and len(x.findall("content/DataItem")) == int(x.find("total").text), x
    page = ask(server, "GET", f"{DATAS}/{odd}.html").text
    assert "a&lt;&amp;&gt;" in page and "<b>&" not in page
    good(ask(server, "DELETE", f"{MINE}/{odd}.json"))


def test_09_scripts(server):
    one, two, *_ = fill(server)
    a = ask(server, "GET", f"{DATAS}/{one}.jsonp?callback=fn", user=None)
    m = re.fullmatch(r"fn\((.*),200\);", a.text, re.S)
    assert a.status == 200 and json.loads(m.group(1))["id"] == one, a
    a = ask(server, "GET", f"{DATAS}/99999.jsonp", user=None)
    assert a.status == 200 and re.fullmatch(r"callback\(\{.*\},404\);", a.text), a
    for bad in ("alert(1)", "a-b", "1a", "a" * 129, "a b", "<x>"):
        refused(ask(server, "GET", f"{DATAS}.jsonp?callback={urllib.parse.quote(bad)}", user=None), 400)
    login = ask(server, "POST", "/iportal/web/login.json", {"username": USER[0], "password": USER[1]}, user=None)
    cookie = login.header("Set-Cookie").split(";")[0]
    assert ask(server, "GET", f"{DATAS}/{two}.json", user=None, Cookie=cookie).status == 200
    assert ask(server, "GET", f"{DATAS}/{two}.jsonp", user=None, Cookie=cookie).text.endswith(",404);")
    basic = "Basic " + base64.b64encode(f"{USER[0]}:{USER[1]}".encode()).decode()      # browsers send it unasked, as they do cookies
    assert ask(server, "GET", f"{DATAS}/{two}.json", user=None, Authorization=basic).status == 200
    assert ask(server, "GET", f"{DATAS}/{two}.jsonp", user=None, Authorization=basic).text.endswith(",404);")
    assert ask(server, "GET", f"{DATAS}/{two}.jsonp?token={server.tokens['mei']}", user=None).text.endswith(",200);")
    for method, path in (("GET", f"{DATAS}.jsonp?_method=POST&requestEntity=1"), ("GET", f"{MINE}/{one}.jsonp?_method=DELETE")):
        assert ask(server, method, path).text.endswith(",405);"), path
    assert ask(server, "PUT", f"{MINE}/{one}.jsonp", {}).status == 405
    assert item(server, one)["id"] == one


def test_10_members(server):
    one, *_ = fill(server)
    d = item(server, one)
    assert sorted(d) == sorted(MEMBERS), sorted(set(d) ^ set(MEMBERS))
    assert (d["id"], d["fileName"], d["type"], d["size"], d["status"]) == (one, "wells.csv", "CSV", 8, "OK"), d
    assert d["MD5"] == hashlib.md5(b"x,y\n1,2\n").hexdigest() and d["tags"] == ["water", "a,b"], d
    assert d["userName"] == d["nickname"] == "mei" and d["serviceId"] is None and d["publishInfo"] is None, d
    assert d["lastModfiedTime"] >= d["createTime"] > 1.7e12 and isinstance(d["createTime"], int), d
    assert re.fullmatch(r"[a-z0-9]{8}_[a-z0-9]{8}_[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}", d["storageId"]), d
    assert d["serviceStatus"] == "UNPUBLISHED" and d["coordType"] == "WGS84" and d["description"] == "Brunnen im Tal", d
    check = d["dataCheckResult"]
    assert check["serviceCheckInfos"] == [] and check["dataCheckInfo"]["MD5"] == d["MD5"], d
    assert sorted(check["dataCheckInfo"]) == ["MD5", "checkMsg", "checkStatus", "dataType", "id"], d


def test_16_who_sees_what(server):
    shares = {"private": [], "search": [("otto", "SEARCH")], "download": [("otto", "DOWNLOAD")], "delete": [("otto", "DELETE")],
              "guest": [("GUEST", "SEARCH")], "guest download": [("GUEST", "DOWNLOAD")]}
    may = {"private": 0, "search": 1, "download": 2, "delete": 3, "guest": 1, "guest download": 2}
    for name, share in shares.items():
        id = make(server, "seen.csv", b"a\n1\n", share=share)
        for who, level in (("admin", 3), ("mei", 3), ("otto", may[name]), (None, may[name] if name.startswith("guest") else 0)):
            listed = ids(query(server, user=who, fileName="seen.csv"))
            assert listed == ([id] if level else []), (name, who, listed)
            for path, needed in ((f"{DATAS}/{id}.json", 1), (f"{DATAS}/{id}/content.json", 2), (f"{DATAS}/{id}/download", 2),
                                 (f"{DATAS}/{id}/attributes.json", 2), (f"{DATAS}/{id}/datasets.json", 2)):
                a = ask(server, "GET", path, user=who, Accept="*/*")
                assert a.status == (200 if level >= needed else 404 if level == 0 else 401), (name, who, path, a)
            if who not in (None, "mei", "admin"):
                expected = 200 if level == 3 else 404 if level == 0 else 401
                assert ask(server, "GET", f"{MINE}/{id}/digest.json", user=who).status == expected, (name, who)
                assert ask(server, "PUT", f"{MINE}/{id}.json", {"tags": ["t"]}, user=who).status == expected, (name, who)
                assert ask(server, "GET", f"{MINE}/{id}/sharesetting.json", user=who).status == (404 if level == 0 else 401), (name, who)
            authorize = ask(server, "GET", f"{DATAS}/{id}.json", user=who)
            if level:      # 19: only who may share sees with whom
                assert (authorize.json["authorizeSetting"] == []) == (who in ("otto", None)), (name, who, authorize.json)
        good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_17_groups(server):
    server.slipway("group", "add", "staff")
    server.slipway("group", "join", "staff", "otto")
    id = make(server, "g.csv", b"a\n", share=[("staff", "DOWNLOAD", "IPORTALGROUP")])
    assert ids(query(server, user="otto", fileName="g.csv")) == ids(query(server, user="otto", searchScope="MYGROUP_RES")) == [id]
    assert ids(query(server, user="otto", searchScope="SHARETOME_RES", fileName="g.csv")) == []
    server.slipway("group", "leave", "staff", "otto")
    assert ids(query(server, user="otto", fileName="g.csv")) == []
    refused(ask(server, "GET", f"{DATAS}/{id}.json", user="otto"), 404)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_20_services(server):
    refused(ask(server, "GET", DATAS + ".json?hasServices=true"), 400)
    refused(ask(server, "GET", DATAS + ".json?hasServices=true&permissionType=SEARCH"), 400)
    one, *_ = fill(server)
    content = good(ask(server, "GET", f"{DATAS}/{one}/content.json?currentPage=1&pageSize=9999999"))
    assert content["content"] == {"colTitles": ["x", "y"], "rows": [["1", "2"]]} and content["lineNumber"] == 1, content


def test_21_download(server):
    data = bytes(range(256)) * 100
    id = make(server, "井 1.bin", data, type="UNKNOWN")
    path = f"{DATAS}/{id}/download"
    a = ask(server, "GET", path)
    md5 = hashlib.md5(data).hexdigest()
    assert a.status == 200 and a.body == data and a.header("ETag") == f'"{md5}"' and a.header("Accept-Ranges") == "bytes", a.headers
    assert a.header("Content-Type") == "application/octet-stream" and "sandbox" in a.header("Content-Security-Policy"), a.headers
    assert "filename*=UTF-8''%E4%BA%95%201.bin" in a.header("Content-Disposition"), a.headers
    parts = []
    for text, first, last in (("bytes=0-99", 0, 99), ("bytes=100-199", 100, 199), ("bytes=200-", 200, 25599)):
        r = ask(server, "GET", path, Range=text)
        assert r.status == 206 and r.header("Content-Range") == f"bytes {first}-{last}/25600", r.headers
        parts.append(r.body)
    assert b"".join(parts) == data
    assert ask(server, "GET", path, Range="bytes=-5").body == data[-5:]
    r = ask(server, "GET", path, Range="bytes=999999999-")
    assert r.status == 416 and r.header("Content-Range") == "bytes */25600", r
    # Several ranges are one file to us; lighttpd cuts them out of it by itself.
    assert ask(server, "GET", path, Range="bytes=0-1,5-6").status in (200, 206)
    assert ask(server, "GET", path, Range="bytes=0-9", If_Range=f'"{md5}"').status == 206
    assert ask(server, "GET", path, Range="bytes=0-9", If_Range='"other"').status == 200
    assert ask(server, "GET", path, If_None_Match=f'"{md5}"').status == 304
    assert ask(server, "GET", path, If_Modified_Since=a.header("Last-Modified")).status == 304
    h = ask(server, "HEAD", path)
    assert h.status == 200 and h.header("Content-Length") == "25600" and h.header("ETag") == a.header("ETag")
    for suffix in (".json", ".rjson", ".zip"):
        assert ask(server, "GET", path + suffix).status == (406 if suffix == ".zip" else 200), suffix
    refused(ask(server, "GET", path + ".json?variant=result"), 404)
    empty = make(server, "empty.csv", None)
    refused(ask(server, "GET", f"{MINE}/{empty}/download.json"), 404)
    for i in (id, empty):
        good(ask(server, "DELETE", f"{MINE}/{i}.json"))


def content(server, name, data, **members):
    """The answer's status and its JSON."""
    query_string = members.pop("query", "")
    id = make(server, name, data, **members)
    a = ask(server, "GET", f"{DATAS}/{id}/content.json{query_string}")
    xml_answer = ask(server, "GET", f"{DATAS}/{id}/content.xml{query_string}")
    if a.status == 200:
        xml.etree.ElementTree.fromstring(xml_answer.body)
        assert ask(server, "GET", f"{DATAS}/{id}/content.rjson{query_string}").json == a.json
        assert int(ask(server, "HEAD", f"{DATAS}/{id}/content.json{query_string}").header("Content-Length")) == len(a.body)
    good(ask(server, "DELETE", f"{MINE}/{id}.json"))
    return a.json if a.status == 200 else a.status


def test_22_content(server):
    geo = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"n":"井\\u0001"},"geometry":null}]}'
    a = content(server, "a.geojson", b"\xef\xbb\xbf" + geo.encode())
    assert a["type"] == "GEOJSON" and a["lineNumber"] is None and a["content"] == geo and json.loads(a["content"]), a
    assert content(server, "a.geojson", b"{not json") == 400
    assert content(server, "a.geojson", b'{"a":"\xff"}') == 400
    a = content(server, "a.csv", '﻿id,name\r\n1,"Oder, ""obere"""\r\n2\r\n\r\n3,井\r\n'.encode())
    assert a["content"] == {"colTitles": ["id", "name"], "rows": [["1", 'Oder, "obere"'], ["2", ""], ["3", "井"]]} and a["total"] == 3, a
    a = content(server, "a.csv", "编号,名称\n1,长江\n2,黄河\n".encode("gbk"))
    assert a["content"] == {"colTitles": ["编号", "名称"], "rows": [["1", "长江"], ["2", "黄河"]]}, a
    a = content(server, "a.csv", "name\nZürich\n".encode("latin-1"), dataMetaInfo={"fileEncoding": "ISO-8859-1"})
    assert a["content"]["rows"] == [["Zürich"]], a
    a = content(server, "a.csv", b"1;2\n3;4\n", dataMetaInfo={"firstRowIsHead": False})
    assert a["content"] == {"colTitles": ["Column1", "Column2"], "rows": [["1", "2"], ["3", "4"]]}, a
    a = content(server, "a.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(2500)), query="?currentPage=2")
    assert a["total"] == 2500 and a["content"]["rows"][0] == ["1000"] and len(a["content"]["rows"]) == 1000, a["total"]
    a = content(server, "a.csv", b"n\n1\n2\n3\n", query="?currentPage=2&pageSize=2")
    assert a["content"]["rows"] == [["3"]], a
    assert content(server, "a.pdf", b"%PDF") == 400
    assert content(server, "a.csv", b'a,b\n"open') == 400


def test_29_times(server):
    one, *_ = fill(server)
    t = item(server, one)["createTime"]
    for parameters, found in (({"createStart": t, "createEnd": t}, True), ({"createStart": t + 1}, False), ({"createEnd": t - 1}, False),
                              ({"createStart": -1, "createEnd": -1}, True), ({"createStart": "null"}, True),
                              ({"createStart": t, "createEnd": t - 1}, False)):
        assert ids(query(server, ids=[one], **parameters)) == ([one] if found else []), parameters


def test_28_directories(server):
    top = int(server.slipway("dir", "add", "top").split()[-1])
    low = int(server.slipway("dir", "add", "low", "--parent", str(top)).split()[-1])
    lowest = int(server.slipway("dir", "add", "lowest", "--parent", str(low)).split()[-1])
    a, b, c = (make(server, f"{n}.csv", None, dirId=n) for n in (top, low, lowest))
    for parameters, expected in (({"dirIds": [top]}, [a]), ({"dirIds": [top], "returnSubDir": True}, [a, b, c]),
                                 ({"dirIds": [top, lowest]}, [a, c]), ({"dirIds": [low], "returnSubDir": True}, [b, c]),
                                 ({"dirIds": [top], "isNotInDir": True}, []), ({"isNotInDir": True, "ids": [a, b, c]}, []),
                                 ({"returnSubDir": True, "ids": [a]}, [a])):
        assert ids(query(server, MINE, **parameters)) == expected, (parameters, expected)
    refused(ask(server, "POST", MINE + ".json", {"fileName": "x.csv", "dirId": 99999}), 400)
    good(ask(server, "PUT", f"{MINE}/{a}.json", {"dirId": None}))
    assert ids(query(server, MINE, isNotInDir=True, ids=[a, b, c])) == [a]
    good(ask(server, "POST", MINE + "/delete.json", [a, b, c]))


def test_32_other_sites(server):
    a = ask(server, "OPTIONS", f"{MINE}/1.json", user=None, Origin="http://page.example", Access_Control_Request_Method="PUT")
    assert a.status == 204 and a.header("Access-Control-Allow-Origin") == "*" and "PUT" in a.header("Access-Control-Allow-Methods"), a.headers
    assert a.header("Access-Control-Allow-Credentials") is None
    one, *_ = fill(server)
    login = ask(server, "POST", "/iportal/web/login.json", {"username": USER[0], "password": USER[1]}, user=None)
    cookie = login.header("Set-Cookie").split(";")[0]
    put = f"{MINE}/{one}.json", {"coordType": "WGS84"}
    refused(ask(server, "PUT", *put, user=None, Cookie=cookie, Origin="http://evil.example"), 401)
    good(ask(server, "PUT", *put, user=None, Cookie=cookie))
    good(ask(server, "PUT", *put, user=None, Cookie=cookie, Origin=f"http://127.0.0.1:{server.port}"))
    good(ask(server, "PUT", put[0] + "?token=" + server.tokens["mei"], put[1], user=None, Origin="http://evil.example"))


def test_13_bad_input(server):
    one, *_ = fill(server)
    for text, name in (("pageSize=abc", "pageSize"), ("ids=[1,x]", "ids"), ('types=["FOO"]', "types"), ("orderBy=COLOR", "orderBy"),
                       ("createStart=yesterday", "createStart"), ("isPublic=maybe", "isPublic"), ('ids=["1"', "ids"),
                       ("ids=99999999999", "ids"), ("currentPage=1.5", "currentPage"), ("searchScope=THEIRS", "searchScope"),
                       ("permissionType=ALL", "permissionType"), ("status=FINE", "status"), ("fileName=" + "x" * 201, "fileName"),
                       ("ids=[[1]]", "ids"), ("ids=" + ",".join(["1"] * 1001), "ids"), ("filterFields=COLOR", "filterFields"),
                       ("keywords=[" + ",".join(f'"{n}"' for n in range(21)) + "]", "keywords"), ("createEnd=1e5", "createEnd")):
        assert name in refused(ask(server, "GET", DATAS + ".json?" + urllib.parse.quote(text, safe="=&,[]")), 400), text
    for method, path, allow in (("POST", DATAS, "GET"), ("PUT", DATAS, "GET"), ("DELETE", f"{DATAS}/{one}", "GET"),
                                ("GET", f"{MINE}/{one}/upload", "POST"), ("POST", f"{DATAS}/{one}", "GET")):
        a = ask(server, method, path + ".json", None if method == "GET" else b"{}")
        refused(a, 405)
        assert allow in a.header("Allow"), (path, a.headers)
    for path in ("0", "01", "x", "-1", "2147483648", "99999", "1.5", "%31%00"):
        assert ask(server, "GET", f"{DATAS}/{path}.json").status in (400, 404, 406), path
    for child in ("", "/content", "/download", "/attributes", "/datasets", "/thumbnail"):
        assert ask(server, "GET", f"{DATAS}/99999{child}").status == 404, child
    assert ask(server, "GET", f"{DATAS}/{one}/thumbnail.png").status == 404
    assert ask(server, "GET", f"{DATAS}/{one}/thumbnail.json").status == 406
    assert ask(server, "GET", DATAS + ".json?token=nonsense", user=None).status == 401
    assert ask(server, "GET", DATAS + ".json", user=None, Cookie="JSESSIONID=" + "0" * 32).status == 200


def test_imported_or_not(server):
    one, two, three, four, _ = fill(server)
    assert good(ask(server, "GET", f"{DATAS}/checkImportedToRSS.json?ids=[{one},{two},{four},99999]")) == {str(one): False, str(two): False}
    refused(ask(server, "GET", f"{DATAS}/checkImportedToRSS.json"), 400)


def test_restricted_keys(server):
    one, two, *_ = fill(server)
    key = server.slipway("key", "add", "mei", "--read-only", "--ids", str(one)).split()[-1]
    assert ids(good(ask(server, "GET", f"{DATAS}.json?key={key}", user=None))) == [one]
    assert ids(good(ask(server, "GET", f"{MINE}.json?key={key}&ids=[{one},{two}]", user=None))) == [one]
    good(ask(server, "GET", f"{DATAS}/{one}.json?key={key}", user=None))
    refused(ask(server, "GET", f"{DATAS}/{two}.json?key={key}", user=None), 404)
    refused(ask(server, "PUT", f"{MINE}/{one}.json?key={key}", {}, user=None), 401)
    assert ask(server, "GET", "/upload/", user=None, Authorization="Bearer " + key).status == 401


def test_page_for_people(server):
    one, *_ = fill(server)
    for lang, heading in (("en", "Data catalogue"), ("zh", "数据目录")):
        a = ask(server, "GET", f"{DATAS}.html?keywords=wells&pageSize=1&orderBy=SIZE", Accept_Language=lang)
        assert a.status == 200 and f"<h1>{heading}</h1>" in a.text, a
        assert "script" not in a.header("Content-Security-Policy") and "<script" not in a.text
        assert a.header("Content-Security-Policy").startswith("default-src 'none'; style-src 'self'; img-src 'self'"), a.headers
        assert f'/iportal/web/datas/{one}.html">wells.csv</a>' in a.text and 'value="wells"' in a.text, a.text
        following = re.search(r'rel="next" href="([^"]+)"', a.text).group(1).replace("&amp;", "&")
        b = ask(server, "GET", following)
        assert "WELLS.csv" in b.text and 'rel="prev"' in b.text and 'rel="next"' not in b.text, b.text
        assert ask(server, "GET", re.search(r'href="(/iportal/web/datas.json\?[^"]+)"', a.text).group(1).replace("&amp;", "&")).json["total"] == 2
    assert "Nothing fits" in ask(server, "GET", f"{DATAS}.html?keywords=nowhere").text
    assert "behind the end" in ask(server, "GET", f"{DATAS}.html?currentPage=77").text
    assert "filename" in ask(server, "GET", f"{DATAS}.html?fileName=x&tags=y").text.lower()
    a = ask(server, "GET", f"{MINE}.html", user=None)
    assert a.status == 401 and "<html" in a.text, a


def test_page_filters(server):
    top = int(server.slipway("dir", "add", "page top").split()[-1])
    low = int(server.slipway("dir", "add", "page low", "--parent", str(top)).split()[-1])
    a = make(server, "filter-a.csv", None, dirId=top, tags=["rain, snow"])
    b = make(server, "filter-b.csv", None, dirId=low)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    def names(**parameters):
        page = ask(server, "GET", MINE + ".html?" + urllib.parse.urlencode({"keywords": "filter", **parameters}))
        assert page.status == 200, page
        return page, re.findall(r">(filter-[ab]\.csv)</a>", page.text)
    for parameters, expected in (({}, ["filter-a.csv", "filter-b.csv"]), ({"dirIds": top, "returnSubDir": "true"}, ["filter-a.csv", "filter-b.csv"]),
                                 ({"dirIds": low}, ["filter-b.csv"]), ({"tags": "rain, snow"}, ["filter-a.csv"]),
                                 ({"from": day, "to": day}, ["filter-a.csv", "filter-b.csv"]), ({"to": "2020-02-29"}, []), ({"from": "2999-01-01"}, []),
                                 ({"userName": "nobody-there"}, []), ({"from": "", "to": "", "userName": "", "tags": "", "dirIds": ""}, ["filter-a.csv", "filter-b.csv"])):
        page, found = names(**parameters)
        assert found == expected, (parameters, found)
        for name, value in parameters.items():
            if value != "" and name not in ("dirIds", "returnSubDir"):
                assert f'name="{name}"' in page.text and f'value="{value}"' in page.text, (name, page.text)
    page, _ = names(dirIds=low)
    assert f'<option value="{low}" selected>page top / page low</option>' in page.text, page.text
    for bad in ("2026-02-30", "yesterday", "1969-12-31", "2026-1-1"):
        assert ask(server, "GET", MINE + ".html?from=" + bad).status == 400, bad
    good(ask(server, "POST", MINE + "/delete.json", [a, b]))


def test_33_classic_types(server):
    with configured(server, "[iportal]\ntypes = classic\nanonymous = off"):
        id = make(server, "c.geojson", b"{}", share=[("GUEST", "SEARCH"), ("otto", "DOWNLOAD")])
        d = item(server, id)
        assert d["type"] == "JSON" and [e["entityName"] for e in d["authorizeSetting"]] == ["mei", "otto"], d
        refused(ask(server, "GET", DATAS + ".json", user=None), 401)
        good(ask(server, "DELETE", f"{MINE}/{id}.json"))


def test_own_addresses(server):
    a = ask(server, "POST", MINE + ".json", {"fileName": "u.csv"}, Host="maps.example.org:8443")
    id = good(a, 201)["childID"]
    assert a.header("Location") == f"http://maps.example.org:8443/iportal/web/mycontent/datas/{id}", a.headers
    with configured(server, "[site]\npublic_url = https://data.example"):
        a = ask(server, "POST", MINE + ".json", {"fileName": "u.csv"}, Host="evil.example")
        assert a.header("Location").startswith("https://data.example/iportal/web/mycontent/datas/"), a.headers
        good(ask(server, "POST", MINE + "/delete.json", [int(id), int(a.json["childID"])]))


if __name__ == "__main__":
    main(__import__(__name__))
