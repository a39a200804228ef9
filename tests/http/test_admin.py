"""Goal: an administrator adds, changes and removes users, groups and keys on two pages, in both languages and without a script;
nobody else reaches them, no form works from another site, and the last administrator cannot be lost."""
import base64
import re

from harness import ADMIN, main
from made import Browser
from steps import code

JSON = "application/json"
PASSWORD = "a phrase for tests"


def admin(server, fields, url="/admin/", user="admin", accept=JSON):
    return server.post(url, fields, accept=accept, user=user)


def person(name):
    return "/admin/user?name=" + name


def test_only_administrators_come_in(server):
    for url in ("/admin/", person("mei")):
        assert server.get(url, accept=JSON, user="mei").status == 403
        assert server.get(url, accept=JSON, user=None).status == 401
        assert server.get(url, accept="text/html", user=None).status == 303
        assert admin(server, {"do": "add_group", "group": "sneaky"}, url, user="mei").status == 403
        assert admin(server, {"do": "add_group", "group": "sneaky"}, url, user=None).status == 401
        assert server.request("DELETE", url, user="admin").status == 405
    assert "sneaky" not in server.slipway("group", "list")
    key = server.slipway("key", "add", "admin", "--read-only").split()[-1]
    a = server.get("/admin/", accept=JSON, user=None, headers={"Authorization": "Bearer " + key})
    assert a.status == 403, a      # a read-only key has no administrator's rights


def test_pages_in_both_languages(server):
    for lang, word in (("en", "Administration"), ("zh", "管理")):
        for url in ("/admin/?lang=" + lang, person("mei") + "&lang=" + lang):
            a = server.get(url, accept="text/html", user="admin")
            assert a.status == 200 and word in a.text and "admin." not in re.sub(r'(href|action|value)="[^"]*"', "", a.text), a
    assert server.get("/admin/", accept="text/html", user="admin").text.count('href="/admin/user?name=') >= 3
    assert "/admin/" not in server.get("/", accept="text/html", user="mei").text
    assert 'href="/admin/"' in server.get("/", accept="text/html", user="admin").text


def test_a_user_is_added_and_logs_in(server):
    a = admin(server, {"do": "add_user", "name": "李雷", "password": PASSWORD, "role": "manager"})
    assert a.status == 200 and [u["role"] for u in a.json["users"] if u["name"] == "李雷"] == ["manager"], a
    b = Browser(server, "李雷", PASSWORD)
    assert b.open("/upload/").status == 200 and "李雷" in b.answer.text
    assert PASSWORD not in a.text and "$y$" not in a.text
    for fields, wrong, status in (({"name": "李雷", "password": PASSWORD}, "user_exists", 409), ({"name": "a b", "password": PASSWORD}, "user_name_bad", 400),
                                  ({"name": "short", "password": "short"}, "password_short", 400), ({"name": "namename12", "password": "namename12"}, "password_is_name", 400),
                                  ({"name": "god", "password": PASSWORD, "role": "god"}, "bad_choice", 400), ({"password": PASSWORD}, "user_name_bad", 400)):
        a = admin(server, {"do": "add_user", **fields})
        assert a.status == status and code(a) == wrong, (fields, a)
        page = admin(server, {"do": "add_user", **fields}, accept="text/html")
        assert page.status == status and 'role="alert"' in page.text and PASSWORD not in page.text, page
    assert "god" not in server.slipway("user", "list")


def test_roles_and_disabling(server):
    def works(name, password):
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        return server.get("/upload/", accept=JSON, user=None, headers={"Authorization": "Basic " + basic}).status == 200
    admin(server, {"do": "add_user", "name": "temp", "password": PASSWORD})
    assert works("temp", PASSWORD)
    assert admin(server, {"do": "role", "role": "administrator"}, person("temp")).status == 200
    assert "temp\tadministrator" in server.slipway("user", "list")
    assert admin(server, {"do": "role", "role": "king"}, person("temp")).status == 400
    # A login that was proven moments ago ends with the user's being disabled.
    assert admin(server, {"do": "disable"}, person("temp")).status == 200
    assert not works("temp", PASSWORD)
    assert admin(server, {"do": "enable"}, person("temp")).status == 200
    assert works("temp", PASSWORD)
    assert admin(server, {"do": "role", "role": "user"}, person("temp")).status == 200
    assert admin(server, {"do": "password", "password": "another fine phrase"}, person("temp")).status == 200
    assert works("temp", "another fine phrase")
    assert code(admin(server, {"do": "password", "password": "x"}, person("temp"))) == "password_short"
    assert admin(server, {"do": "delete"}, person("temp")).status == 200
    assert not works("temp", "another fine phrase") and server.get(person("temp"), accept=JSON, user="admin").status == 404


def test_the_last_administrator_stays(server):
    for fields in ({"do": "role", "role": "user"}, {"do": "disable"}, {"do": "delete"}):
        a = admin(server, fields, person("admin"))
        assert a.status == 409 and code(a) == "admin_self", a
    for words in (("user", "role", "admin", "user"), ("user", "disable", "admin")):
        try:
            server.slipway(*words)
            raise SystemError("the last administrator was lost")
        except AssertionError as e:
            assert "last administrator" in str(e), e
    assert server.get("/admin/", accept=JSON, user="admin").status == 200


def test_groups(server):
    a = admin(server, {"do": "add_group", "group": "survey"})
    assert a.status == 200 and [g["name"] for g in a.json["groups"]] == ["survey"], a
    assert code(admin(server, {"do": "add_group", "group": "survey"})) == "group_exists"
    assert code(admin(server, {"do": "add_group", "group": "a/b"})) == "group_name_bad"
    assert admin(server, {"do": "groups", "in": "survey"}, person("mei")).status == 200
    assert "survey\tmei" in server.slipway("group", "list")
    # What was ticked before and is no longer is left; a box that the page did not have changes nothing.
    assert admin(server, {"do": "groups"}, person("mei")).status == 200
    assert "survey\tmei" in server.slipway("group", "list")
    assert admin(server, {"do": "groups", "had": "survey"}, person("mei")).status == 200
    assert "survey\tmei" not in server.slipway("group", "list")
    assert admin(server, {"do": "groups", "in": "nosuch"}, person("mei")).status == 404
    assert admin(server, {"do": "delete_group", "group": "survey"}).status == 200
    assert server.slipway("group", "list") == "" and admin(server, {"do": "delete_group", "group": "survey"}).status == 404


def test_keys_are_made_shown_once_and_revoked(server):
    a = admin(server, {"do": "key_add", "key_name": "<b>scripts", "days": "2"}, person("otto"))
    token = a.json["token"]
    assert a.status == 200 and len(token) == 40 and a.header("Cache-Control") == "no-store", a
    key = [k for k in a.json["keys"] if k["name"] == "<b>scripts"][0]
    assert key["read_only"] and key["expires"] and not key["over"]
    bearer = {"Authorization": "Bearer " + token}
    assert server.get("/upload/", accept=JSON, user=None, headers=bearer).status == 200
    assert server.post("/upload/", {}, accept=JSON, user=None, headers=dict(bearer)).status == 403      # read only
    page = server.get(person("otto"), accept="text/html", user="admin")
    assert token not in page.text and "&lt;b&gt;scripts" in page.text and "<b>scripts" not in page.text
    assert code(admin(server, {"do": "key_add", "key_name": "x", "days": "0"}, person("otto"))) == "key_days_bad"
    assert code(admin(server, {"do": "key_add", "key_name": "x", "days": "1e3"}, person("otto"))) == "key_days_bad"
    full = admin(server, {"do": "key_add", "key_name": "all", "scope": "all"}, person("otto")).json["token"]
    assert server.post("/upload/", {}, accept=JSON, user=None, headers={"Authorization": "Bearer " + full}).status == 400
    assert admin(server, {"do": "key_delete", "key": key["id"]}, person("otto")).status == 200
    assert server.get("/upload/", accept=JSON, user=None, headers=bearer).status == 401
    assert token not in server.log() and full not in server.log()


def test_own_keys(server):
    own = "/account/keys"
    assert server.get(own, accept=JSON, user=None).status == 401
    made = admin(server, {"do": "key_add", "key_name": "<i>own", "scope": "all", "days": "3"}, own, user="mei")
    token = made.json["token"]
    assert made.status == 200 and made.header("Cache-Control") == "no-store" and len(token) == 40, made
    with_token = {"Authorization": "Bearer " + token, "Accept": JSON}
    listed = server.request("GET", own, headers=with_token, user=None).json["keys"]
    ours = [k for k in listed if k["name"] == "<i>own"]
    assert len(ours) == 1 and "token" not in ours[0] and not ours[0]["read_only"], listed
    page = server.get(own, accept="text/html", user="mei")
    assert page.status == 200 and "&lt;i&gt;own" in page.text and token not in page.text, page.text
    # Somebody else's key cannot be named, and no parameter makes another user's page of it.
    assert all(k["name"] != "<i>own" for k in server.get(own + "?name=mei", accept=JSON, user="otto").json["keys"])
    assert admin(server, {"do": "key_delete", "key": ours[0]["id"]}, own + "?name=mei", user="otto").status == 404
    assert admin(server, {"do": "role", "role": "administrator"}, own, user="mei").status == 400
    read = admin(server, {"do": "key_add", "key_name": "reader"}, own, user="mei").json["token"]
    refused = server.request("POST", own, body=b"do=key_add&key_name=x&scope=all", user=None,
                             headers={"Authorization": "Bearer " + read, "Accept": JSON, "Content-Type": "application/x-www-form-urlencoded"})
    assert refused.status == 403, refused
    assert admin(server, {"do": "key_delete", "key": ours[0]["id"]}, own, user="mei").status == 200
    assert server.request("GET", own, headers=with_token, user=None).status == 401


def test_forms_need_their_token(server):
    """Under a cookie no change without the form's token, none from another site."""
    b = Browser(server, *ADMIN)
    assert b.open("/admin/").status == 200, b.answer
    for headers, fields in (({}, {"do": "add_group", "group": "forged"}), ({"Origin": "https://evil.example"}, {"do": "add_group", "group": "forged"}),
                            ({}, {"do": "add_group", "group": "forged", "csrfmiddlewaretoken": "0" * 96})):
        a = b._ask("POST", "/admin/", fields=fields, headers=headers)
        assert a.status == 403, (headers, a)
    assert "forged" not in server.slipway("group", "list")
    a = b._ask("POST", "/admin/", fields={"do": "add_group", "group": "real", "csrfmiddlewaretoken": b.cookies["csrftoken"]})
    assert a.status == 303 and "real" in server.slipway("group", "list"), a


def test_unknown_words_and_users(server):
    assert code(admin(server, {"do": "explode"})) == "bad_choice"
    assert code(admin(server, {})) == "bad_choice"
    for name in ("nobody-here", "", "x" * 300, "a%00b", "%3Cb%3E"):
        a = server.get(person(name), accept=JSON, user="admin")
        assert a.status in (400, 404), (name, a)
        assert admin(server, {"do": "disable"}, person(name)).status in (400, 404)


if __name__ == "__main__":
    import test_admin
    main(test_admin)
