"""Goal: who may find, see, download and change which dataset is the same on every address: a matrix of owner, other user, group
member, nobody and administrator against private, shared and public, for every resource of a dataset and of its data item; what one
may not see is not there (datas.md 7, cases 16-19; wizard.md 13)."""
import json

from harness import main
from steps import code, configured, points

GINA = ("gina", "a phrase of her own")
LEVELS = {"nothing": 0, "see": 1, "download": 2, "delete": 4}

# How the dataset is shared: what everybody, group staff and user otto may do.
SHARINGS = {
    "private": (0, 0, 0),
    "group sees": (0, 1, 0),
    "group downloads": (0, 2, 0),
    "group changes and deletes": (0, 4, 0),
    "user sees": (0, 0, 1),
    "user downloads, group sees": (0, 1, 2),
    "user changes and deletes": (0, 0, 4),
    "everybody sees": (1, 0, 0),
    "everybody downloads": (2, 0, 0),
    "everybody sees, group downloads": (1, 2, 0),
}
CALLERS = ("mei", "otto", "gina", None, "admin")


def level(caller, sharing):
    everybody, group, user = SHARINGS[sharing]
    if caller in ("mei", "admin"):
        return 5
    return max(everybody, group if caller == "gina" else 0, user if caller == "otto" else 0)


def group_and_members(server):
    if "gina" in server.tokens:
        return
    server.slipway("user", "add", GINA[0], "--password-stdin", stdin=GINA[1] + "\n")
    server.tokens[GINA[0]] = server.slipway("key", "add", GINA[0]).split()[-1]
    server.slipway("group", "add", "staff")
    server.slipway("group", "join", "staff", GINA[0])


def permission_word(n):
    return {1: "SEARCH", 2: "DOWNLOAD", 4: "DELETE"}[n]


def share(server, n, sharing):
    """By the data item's own resource: the same table as the page's."""
    everybody, group, user = SHARINGS[sharing]
    entities = []
    for level_of, kind, name in ((everybody, "USER", "GUEST"), (group, "IPORTALGROUP", "staff"), (user, "USER", "otto")):
        if level_of:
            entities.append({"entityType": kind, "entityName": name, "dataPermissionType": permission_word(level_of)})
    a = server.request("PUT", f"/iportal/web/mycontent/datas/{n}/sharesetting.json", json.dumps(entities))
    assert a.status == 200 and a.json == {"succeed": True}, a



def resources(n, name):
    """(method, address, least level, status when visible but refused)"""
    return [
        ("GET", f"/datasets/{n}", 1, 0), ("HEAD", f"/datasets/{n}", 1, 0), ("GET", f"/layers/geonode:{name}", 1, 0),
        ("GET", f"/datasets/{n}/thumbnail.png", 1, 0), ("GET", f"/datasets/{n}/map.json", 1, 0),
        ("GET", f"/datasets/{n}/download?format=gpkg", 2, 403), ("HEAD", f"/datasets/{n}/download?format=gpkg", 2, 403),
        ("GET", f"/datasets/{n}/original/1", 2, 404),
        ("GET", f"/iportal/web/datas/{n}.json", 1, 0), ("GET", f"/iportal/web/datas/{n}/thumbnail.png", 1, 0),
        ("GET", f"/iportal/web/datas/{n}/download", 2, 401), ("HEAD", f"/iportal/web/datas/{n}/download", 2, 401),
        ("GET", f"/iportal/web/datas/{n}/attributes.json", 2, 401), ("GET", f"/iportal/web/datas/{n}/datasets.json", 2, 401),
    ]


def private_resources(n):
    """Those that nobody reaches without a login."""
    return [
        ("GET", f"/datasets/{n}/edit", 4, 403, None), ("GET", f"/datasets/{n}/delete", 4, 403, None),
        ("POST", f"/datasets/{n}/edit", 4, 403, {"title": "Wells"}), ("POST", f"/datasets/{n}/edit", 5, 403, {"access": "nosuch"}),
        ("GET", f"/iportal/web/mycontent/datas/{n}.json", 4, 401, None), ("GET", f"/iportal/web/mycontent/datas/{n}/digest.json", 4, 401, None),
        ("PUT", f"/iportal/web/mycontent/datas/{n}.json", 4, 401, "{}"), ("PUT", f"/iportal/web/datas/{n}/attributes.json", 4, 401, "{}"),
        ("GET", f"/iportal/web/mycontent/datas/{n}/sharesetting.json", 5, 401, None),
        ("PUT", f"/iportal/web/mycontent/datas/{n}/sharesetting.json", 5, 401, '[{"entityType":"ROLE","entityName":"x","dataPermissionType":"SEARCH"}]'),
    ]


def call(server, method, url, user, data=None):
    if isinstance(data, dict):
        return server.post(url, data, accept="application/json", user=user)
    return server.request(method, url, body=data, headers={"Accept": "application/json"}, user=user)


def check(where, a, least, got, refused):
    if got >= least:
        # Wrong words in a body are looked at only after the rights: they prove that those suffice.
        assert a.status < 300 or a.status == 303 or (a.status == 400 and "POST" in where or a.status == 400 and "PUT" in where), (where, a)
    elif got >= 1 and refused:
        assert a.status == refused, (where, got, a)
    else:
        assert a.status == 404, (where, got, a)


def in_lists(server, n, user):
    page = server.get("/datasets/", accept="application/json", user=user).json["datasets"]
    item = server.get("/iportal/web/datas.json?pageSize=1000", user=user).json["content"]
    return n in [d["id"] for d in page], n in [d["id"] for d in item]


def test_matrix(server):
    group_and_members(server)
    made = points(server, "matrix", ["1,2,a", "3,4,b"])["dataset"]
    n, name = made["id"], made["name"]
    for sharing in SHARINGS:
        share(server, n, sharing)
        for caller in CALLERS:
            got = level(caller, sharing)
            for method, url, least, refused in resources(n, name):
                check(f"{sharing}: {caller} {method} {url}", call(server, method, url, caller), least, got, refused)
            assert in_lists(server, n, caller) == (got >= 1, got >= 1), (sharing, caller)
            for method, url, least, refused, data in private_resources(n):
                a = call(server, method, url, caller, data)
                if caller is None:
                    assert a.status in (401, 404), (sharing, method, url, a)
                else:
                    check(f"{sharing}: {caller} {method} {url}", a, least, got, refused)


def test_only_who_may_delete_deletes(server):
    group_and_members(server)
    for sharing, deleter in (("private", "mei"), ("group changes and deletes", "gina"), ("user changes and deletes", "otto"),
                             ("everybody downloads", "admin")):
        n = points(server, "doomed", ["1,2,a"])["dataset"]["id"]
        share(server, n, sharing)
        for caller in CALLERS:
            if level(caller, sharing) >= 4 or caller is None:
                continue
            seen = level(caller, sharing) >= 1
            a = server.request("DELETE", f"/datasets/{n}/delete", headers={"Accept": "application/json"}, user=caller)
            assert a.status == (403 if seen else 404), (sharing, caller, a)
            a = server.request("DELETE", f"/iportal/web/mycontent/datas/{n}.json", user=caller)
            assert a.status == (401 if seen else 404), (sharing, caller, a)
        assert server.request("DELETE", f"/iportal/web/mycontent/datas/{n}.json", user=None).status == 401
        assert server.request("DELETE", f"/iportal/web/mycontent/datas/{n}.json", user=deleter).status == 200
        for caller in CALLERS:
            assert call(server, "GET", f"/datasets/{n}", caller).status == 404
            assert call(server, "GET", f"/iportal/web/datas/{n}.json", caller).status == 404


def test_the_page_shares(server):
    """The form's words become rights; finer words that the form does not show stay; who leaves the form is out."""
    group_and_members(server)
    n = points(server, "page", ["1,2,a"], permissions='{"users":{"otto":["view_resourcebase","download_resourcebase","change_layer_data",'
               '"change_resourcebase_permissions"]},"groups":{}}')["dataset"]["id"]
    rows = {"access": "view", "kind_0": "user", "name_0": "otto", "right_0": "edit", "kind_1": "group", "name_1": " staff ", "right_1": "download",
            "kind_2": "user", "name_2": "", "right_2": "download"}
    a = server.post(f"/datasets/{n}/edit", rows, accept="application/json")
    assert a.status == 200, a
    assert server.get(f"/datasets/{n}", accept="application/json", user=None).status == 200
    assert server.get(f"/datasets/{n}/download", user="gina").status == 200
    assert server.get(f"/datasets/{n}/download", accept="application/json", user=None).status == 403
    # otto's right to share was not shown and is still his.
    a = server.post(f"/datasets/{n}/edit", {**rows, "access": "private", "right_1": "none"}, accept="application/json", user="otto")
    assert a.status == 200, a
    assert server.get(f"/datasets/{n}", accept="application/json", user="gina").status == 404
    assert server.get(f"/datasets/{n}", accept="application/json", user="otto").status == 200
    entities = server.get(f"/iportal/web/mycontent/datas/{n}/sharesetting.json").json
    assert [(e["entityName"], e["dataPermissionType"]) for e in entities] == [("mei", "DELETE"), ("otto", "DOWNLOAD")], entities


def test_a_site_that_shows_strangers_nothing(server):
    group_and_members(server)
    made = points(server, "closed", ["1,2,a"])["dataset"]
    n, name = made["id"], made["name"]
    share(server, n, "everybody downloads")
    pages = [(method, url) for method, url, _, _ in resources(n, name) if not url.startswith("/iportal/")] + [("GET", "/datasets/")]
    with configured(server, "[site]\nanonymous_read = no"):
        for method, url in pages:
            assert call(server, method, url, None).status == 401, (method, url)
            assert call(server, method, url, "otto").status in (200, 202, 303, 404), (method, url)
        page = server.get(f"/datasets/{n}", accept="text/html", user=None)
        assert page.status == 303 and page.header("Location").startswith("/login"), page


def test_the_page_tells_what_is_wrong(server):
    n = points(server, "wrong", ["1,2,a"])["dataset"]["id"]
    for fields, wrong in (({"access": "view", "kind_0": "user", "name_0": "nobody-here", "right_0": "see"}, "permission_subject"),
                          ({"access": "view", "kind_0": "group", "name_0": "otto", "right_0": "see"}, "permission_subject"),
                          ({"access": "view", "kind_0": "user", "name_0": "AnonymousUser", "right_0": "delete"}, "permission_subject"),
                          ({"access": "view", "kind_0": "user", "name_0": "otto", "right_0": "everything"}, "bad_choice"),
                          ({"access": "open"}, "bad_choice"), ({"title": " "}, "title_missing"), ({"title": "x" * 256}, "title_too_long"),
                          ({"title": "t", "dir": "77"}, "dir_unknown"), ({"title": "t", "dir": "x"}, "dir_unknown")):
        a = server.post(f"/datasets/{n}/edit", fields, accept="application/json")
        assert a.status == 400 and code(a) == wrong, (fields, a)
        page = server.post(f"/datasets/{n}/edit", fields, accept="text/html")
        assert page.status == 400 and 'role="alert"' in page.text and "<details class=\"more\" id=\"describe\" open>" in page.text, page
    assert server.get(f"/datasets/{n}", accept="application/json", user="otto").status == 404


def test_title_description_keywords_and_directory_are_changed(server):
    n = points(server, "described", ["1,2,a"])["dataset"]["id"]
    top = server.slipway("dir", "add", "水文").strip()
    below = server.slipway("dir", "add", "--parent", top, "wells").strip()
    a = server.post(f"/datasets/{n}/edit", {"title": " Wells <b> ", "abstract": "all of them", "keywords": "water, 水, water", "dir": below},
                    accept="text/html")
    assert a.status == 303 and a.header("Location").endswith(f"/datasets/{n}?note=dataset_changed"), a
    d = server.get(f"/datasets/{n}", accept="application/json").json["dataset"]
    assert (d["title"], d["abstract"], d["keywords"]) == ("Wells <b>", "all of them", ["water", "水"]), d
    page = server.get(f"/datasets/{n}", accept="text/html").text
    assert "水文 / wells" in page and "Wells &lt;b&gt;" in page and "<b>" not in page.split("<main")[1].split("</h1>")[0]
    item = server.get(f"/iportal/web/datas.json?dirIds=[{top}]&returnSubDir=true").json
    assert [i["id"] for i in item["content"]] == [n] and item["content"][0]["tags"] == ["water", "水"], item
    server.post(f"/datasets/{n}/edit", {"title": "Wells", "dir": "0"})
    assert server.get(f"/iportal/web/datas.json?dirIds=[{top}]&returnSubDir=true").json["total"] == 0


def test_groups_come_and_go(server):
    """Joining and leaving changes what is listed at once; a group that is made anew has nothing."""
    group_and_members(server)
    n = points(server, "team", ["1,2,a"])["dataset"]["id"]
    server.slipway("group", "add", "team")
    server.post(f"/datasets/{n}/edit", {"access": "private", "kind_0": "group", "name_0": "team", "right_0": "download"}, accept="application/json")
    url = f"/datasets/{n}"
    assert server.get(url, accept="application/json", user="otto").status == 404
    server.slipway("group", "join", "team", "otto")
    assert server.get(url, accept="application/json", user="otto").status == 200
    assert in_lists(server, n, "otto") == (True, True)
    scope = server.get("/iportal/web/datas.json?searchScope=MYGROUP_RES&pageSize=1000", user="otto").json
    assert n in [i["id"] for i in scope["content"]], scope
    server.slipway("group", "leave", "team", "otto")
    assert server.get(url, accept="application/json", user="otto").status == 404 and in_lists(server, n, "otto") == (False, False)
    server.slipway("group", "join", "team", "otto")
    server.slipway("group", "delete", "team")
    server.slipway("group", "add", "team")
    server.slipway("group", "join", "team", "otto")
    assert server.get(url, accept="application/json", user="otto").status == 404 and in_lists(server, n, "otto") == (False, False)


def test_a_user_made_anew_sees_nothing_old(server):
    n = points(server, "old", ["1,2,a"])["dataset"]["id"]
    server.slipway("user", "add", "passing", "--password-stdin", stdin="one of many phrases\n")
    server.post(f"/datasets/{n}/edit", {"access": "private", "kind_0": "user", "name_0": "passing", "right_0": "see"}, accept="application/json")
    server.slipway("user", "delete", "passing")
    server.slipway("user", "add", "passing", "--password-stdin", stdin="one of many phrases\n")
    server.tokens["passing"] = server.slipway("key", "add", "passing").split()[-1]
    assert server.get(f"/datasets/{n}", accept="application/json", user="passing").status == 404


def test_permission_filter_agrees_with_the_matrix(server):
    group_and_members(server)
    n = points(server, "filter", ["1,2,a"])["dataset"]["id"]
    for sharing in SHARINGS:
        share(server, n, sharing)
        for caller in CALLERS:
            for least, word in ((1, "SEARCH"), (2, "DOWNLOAD"), (4, "DELETE")):
                a = server.get(f"/iportal/web/datas.json?ids=[{n}]&permissionType={word}", user=caller)
                assert a.json["total"] == (level(caller, sharing) >= least), (sharing, caller, word, a)
                every = server.get(f"/iportal/web/datas.json?permissionType={word}&pageSize=1000", user=caller).json
                assert (n in [i["id"] for i in every["content"]]) == (level(caller, sharing) >= least), (sharing, caller, word)
        public = server.get("/iportal/web/datas.json?isPublic=true&pageSize=1000").json["content"]
        assert (n in [i["id"] for i in public]) == (SHARINGS[sharing][0] > 0), sharing


if __name__ == "__main__":
    import test_sharing
    main(test_sharing)
