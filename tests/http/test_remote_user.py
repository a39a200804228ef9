"""Goal: where login.remote_user says so, whom the web server has let in is that user with his rights; nobody else can say who he is;
without the setting the variable means nothing; what changes needs the form's token, as under a cookie."""
from harness import main
from steps import configured
from test_cgi import parse, start, variables


def ask(server, method, path, remote=None, body=b"", kind=None, **more):
    env = variables(server, method, path, body, kind, user=None, **more)
    if remote is not None:
        env.update(REMOTE_USER=remote, AUTH_TYPE="Basic")
    return parse(start(server, env, body))


def test_without_the_setting_it_means_nothing(server):
    assert ask(server, "GET", "/upload/", "mei").status == 401
    assert ask(server, "GET", "/admin/", "admin").status == 401


def test_the_web_servers_users(server):
    with configured(server, "[login]\nremote_user = yes"):
        s = server
        assert ask(s, "GET", "/upload/").status == 401
        assert ask(s, "GET", "/upload/", "mei").status == 200
        assert ask(s, "GET", "/admin/", "mei").status == 403
        assert ask(s, "GET", "/admin/", "admin").status == 200
        # Its password is the web server's business: it is passed on and not looked at.
        assert ask(s, "GET", "/upload/", "mei", HTTP_AUTHORIZATION="Basic bWVpOndyb25n").status == 200
        # Headers are the client's, not the web server's.
        assert ask(s, "GET", "/upload/", HTTP_REMOTE_USER="admin", HTTP_X_REMOTE_USER="admin").status == 401
        # Unknown and disabled users are nobody.
        assert ask(s, "GET", "/upload/", "stranger").status == 401
        s.slipway("user", "disable", "mei")
        assert ask(s, "GET", "/upload/", "mei").status == 401
        # An API token says more than the web server.
        bearer = "Bearer " + s.tokens["otto"]
        assert ask(s, "GET", "/admin/", "admin", HTTP_AUTHORIZATION=bearer).status == 403


def test_changes_need_the_forms_token(server):
    with configured(server, "[login]\nremote_user = yes"):
        s = server
        form = "application/x-www-form-urlencoded"
        a = ask(s, "POST", "/admin/", "admin", b"do=add_group&group=forged", form)
        assert a.status == 403 and "forged" not in s.slipway("group", "list"), a
        page = ask(s, "GET", "/admin/", "admin", accept="text/html")
        cookie = [v for v in page.headers.get_all("Set-Cookie") if v.startswith("csrftoken=")][0].split(";")[0]
        token = cookie.partition("=")[2]
        body = f"do=add_group&group=real&csrfmiddlewaretoken={token}".encode()
        assert ask(s, "POST", "/admin/", "admin", body, form, HTTP_COOKIE=cookie, HTTP_ORIGIN="https://evil.example").status == 403
        a = ask(s, "POST", "/admin/", "admin", body, form, HTTP_COOKIE=cookie)
        assert a.status == 200 and "real" in s.slipway("group", "list"), a


if __name__ == "__main__":
    import test_remote_user
    main(test_remote_user)
