"""Data items as tests make and read them."""
import json
import urllib.parse

DATAS = "/iportal/web/datas"
MINE = "/iportal/web/mycontent/datas"
ECHO = ("createEnd createStart currentPage currentUser departmentIds dirIds fileName filterFields groupIds hasServices ids "
        "isNotInDir isPublic keywords md5s orderBy orderType pageSize permissionType resourceIds returnSubDir searchScope "
        "serviceId serviceStatuses shareToMe status tags type types userName userNames").split()


def ask(server, method, path, body=None, user="mei", **headers):
    """One request; BODY as JSON unless it is bytes."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return server.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()}, user=user)


def good(answer, status=200):
    assert answer.status == status, answer
    return answer.json


def refused(answer, status):
    assert answer.status == status, answer
    assert answer.json["succeed"] is False and answer.json["error"]["code"] == status and answer.json["error"]["errorMsg"], answer
    return answer.json["error"]["errorMsg"]


def make(server, name="a.csv", data=b"a,b\n1,2\n", user="mei", share=None, **members):
    """A new item's id; filled with DATA unless that is None."""
    answer = good(ask(server, "POST", MINE + ".json", {"fileName": name, **members}, user=user), 201)
    id = int(answer["childID"])
    if data is not None:
        good(ask(server, "POST", f"{MINE}/{id}/upload.json", data, user=user))
    if share is not None:
        good(ask(server, "PUT", f"{MINE}/{id}/sharesetting.json", [entity(*s) for s in share], user=user))
    return id


def entity(name, permission, kind="USER"):
    return {"entityType": kind, "entityName": name, "dataPermissionType": permission}


def query(server, path=DATAS, user="mei", **parameters):
    """The answer to a list; lists and booleans as clients write them."""
    pairs = {k: json.dumps(v, ensure_ascii=False) if isinstance(v, (list, bool)) else v for k, v in parameters.items()}
    return good(ask(server, "GET", f"{path}.json?{urllib.parse.urlencode(pairs)}", user=user))


def ids(answer):
    return [item["id"] for item in answer["content"]]


def item(server, id, user="mei"):
    return good(ask(server, "GET", f"{DATAS}/{id}.json", user=user))
