"""Goal: `slipway` refuses what is called wrongly, tells what it cannot read, makes no data directory out of a mistyped one, and
says whose source it uses (doc/slipway.1; store.md 13, 14)."""
import os
import shutil
import subprocess
import tempfile

from harness import BUILD, TOP, free_port, main
from made import HTML

# On a site that is not there these have nothing to tell; the others may be the first to be called.
READING = ("user list", "group list", "dir list", "key list mei", "upload list", "upload gc", "gc", "check", "check store", "dump",
           "store stat", "dataset list", "dataset account list", "dataset log", "task list")
MAKING = ("user add mei --password-stdin", "group add g", "dir add d", "dataset account add a")


def slipway(*words, stdin=b""):
    done = subprocess.run([f"{BUILD}/slipway", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_mistyped_data_directory_is_told(_):
    with tempfile.TemporaryDirectory() as folder:
        data, kept = folder + "/no-such-site", folder + "/backup"
        for words in (*READING, f"backup {kept}"):
            code, out, err = slipway(*words.split(), "--data-dir", data)
            assert code == (2 if words.startswith("check") else 1) and out == "" and "keeps nothing there" in err, (words, code, out, err)
            assert os.listdir(folder) == [], (words, os.listdir(folder))
        os.mkdir(data)      # as it comes from systemd-tmpfiles
        assert slipway("check", "--data-dir", data)[0] == 2 and os.listdir(data) == []
        for words in MAKING:
            code, out, err = slipway(*words.split(), "--data-dir", data, stdin=b"a long enough password\n")
            assert code == 0, (words, code, err)
        for words in READING:
            code, out, err = slipway(*words.split(), "--data-dir", data)
            assert code == 0, (words, code, err)


def test_settings_that_only_root_may_read_are_told(server):
    """What `serve` starts as another user would end over them, again and again."""
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        conf = folder + "/slipway.conf"
        shutil.copy(server.conf, conf)
        os.chmod(conf, 0o600)
        code, out, err = slipway("serve", "--listen", f"127.0.0.1:{free_port()}", "--data-dir", folder + "/data", "--config", conf)
        assert code == 1 and out == "" and f"{conf}: the owner of {folder}/data cannot read it: Permission denied" in err, (code, out, err)


def test_words_too_many_are_refused(server):
    for words in ("user list", "group list", "dir list", "check store", "gc", "store stat", "dataset list", "config"):
        for more in ("extra", "--bogus"):
            code, out, err = slipway(*words.split(), more, "--data-dir", server.data, "--config", server.conf)
            assert code == 2 and out == "" and f"usage: slipway {words.split()[0]}" in err, (words, more, code, err)


def test_a_command_called_wrongly_makes_no_store(server):
    with tempfile.TemporaryDirectory() as empty:
        for words, want in (("user add", 2), ("user add --password-stdin", 2), ("group add", 2), ("key add nobody", 1), ("user role mei user", 1),
                            ("dataset show none", 1)):
            code, out, err = slipway(*words.split(), "--data-dir", empty)
            assert code == want and out == "" and err.startswith("usage: slipway " if want == 2 else "slipway: "), (words, code, err)
            assert os.listdir(empty) == [], words


def test_what_cannot_be_read_is_told(server):
    here = ("--data-dir", server.data, "--config", server.conf)
    code, _, err = slipway("config", "check", "/nowhere")
    assert code == 2 and err == "slipway: config check: /nowhere: cannot be read: No such file or directory\n", err
    assert slipway("dump", "nothings", *here) == (1, "", "slipway: dump: no table nothings\n")
    with tempfile.TemporaryDirectory() as empty:
        code, _, err = slipway("load", os.path.join(TOP, "README.md"), "--data-dir", empty)
        assert (code, err) == (1, "slipway: load: line 1: no line of a dump\n"), err
    for folder, words in (("/nowhere", "/nowhere: No such file"), ("/usr", "/usr is no backup")):
        with tempfile.TemporaryDirectory() as empty:
            code, _, err = slipway("restore", folder, "--replace", "--data-dir", empty)
            assert code == 1 and words in err, err


def test_an_answer_that_is_lost_is_told(server):
    here = ("--data-dir", server.data, "--config", server.conf)
    for words in ("user list", "key add mei", "check store", "dump", "config"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([f"{BUILD}/slipway", *words.split(), *here], stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1 and b"writ" in done.stderr, (words, done)


def test_version_and_page_name_the_library(server):
    code, out, _ = slipway("--version")
    assert code == 0 and out.startswith("slipway 0.1\n") and "Berkeley DB 5.3." in out and "apt-get source db5.3" in out, out
    for language in ("en", "zh"):
        page = server.get("/about", accept=HTML, headers={"Accept-Language": language}).text
        assert "Berkeley DB 5.3" in page and "apt-get source db5.3" in page, page


def test_serve_stands_in_the_process_list_as_it_was_typed(server):
    with open(f"/proc/{server.process.pid}/cmdline") as f:
        words = f.read().split("\0")
    assert words[words.index("--listen") + 1] == f"127.0.0.1:{server.port}", words


if __name__ == "__main__":
    import test_command
    main(test_command)
