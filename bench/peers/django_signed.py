"""
The data API (rows of a signed request, inserted once) as a Django project, for gunicorn: gunicorn django_signed:application.  Two views:

bare     no middleware, the signature and the insert, nothing else
full     what Slipway does, too: failed attempts, account, receiver and limit looked up, each row checked, the request claimed in a
            commit of its own before it is carried out so that a captured one never acts twice, its record and recorded answer kept

PEER_DB names the database, PEER_VIEW the view; `django_signed.py KEY` makes the tables, an account and a receiver.
"""
import hashlib
import ipaddress
import json
import logging
import os
import sys
import time

import django
from django.conf import settings

BARE = os.environ.get("PEER_VIEW") == "bare"
settings.configure(
    DEBUG=False, SECRET_KEY="for a benchmark on loopback", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=False,
    DATA_UPLOAD_MAX_MEMORY_SIZE=16 << 20, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["PEER_DB"], "CONN_MAX_AGE": None,
                           "OPTIONS": {"timeout": 30, "isolation_level": None}}},
    MIDDLEWARE=[] if BARE else ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    LOGGING={"version": 1, "formatters": {"line": {"format": "{asctime} {levelname} {message}", "style": "{"}},
             "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
             "loggers": {"signed": {"handlers": ["stderr"], "level": "INFO"}}})
django.setup()
from django.core.exceptions import ValidationError
from django.core.wsgi import get_wsgi_application
from django.db import IntegrityError, connection, models, transaction
from django.db.backends.signals import connection_created
from django.http import JsonResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

log = logging.getLogger("signed")


def settle(connection, **kw):
    connection.cursor().execute("PRAGMA journal_mode=WAL")
    connection.cursor().execute("PRAGMA synchronous=FULL")


connection_created.connect(settle)


class Model(models.Model):
    class Meta:
        abstract, app_label = True, "bench"


class Account(Model):
    name = models.CharField(max_length=255, unique=True)
    token = models.CharField(max_length=256)
    host = models.JSONField(null=True)
    limit = models.IntegerField(default=0)
    window = models.IntegerField(default=300)
    receivers = models.JSONField(default=list)


class Receiver(Model):
    name = models.CharField(max_length=255, unique=True)
    enabled = models.BooleanField(default=True)
    ops = models.JSONField(default=list)
    max_rows = models.IntegerField(default=100_000)


class Minute(Model):
    """How often something happened in a minute: failed attempts of an address, calls of an account."""
    what = models.CharField(max_length=300)
    minute = models.BigIntegerField()
    number = models.IntegerField(default=0)

    class Meta(Model.Meta):
        abstract = False
        unique_together = [("what", "minute")]


class Task(Model):
    """The record of one write."""
    account = models.CharField(max_length=255)
    receiver = models.ForeignKey(Receiver, models.CASCADE)
    address = models.GenericIPAddressField()
    stamp = models.BigIntegerField()
    state = models.CharField(max_length=10, db_index=True)
    message = models.TextField(blank=True)
    started = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True)
    inserted = models.IntegerField(default=0)


class Replay(Model):
    """A request that was claimed: with its answer, once there is one."""
    key = models.CharField(max_length=64, primary_key=True)
    content = models.CharField(max_length=64)
    expires = models.BigIntegerField(db_index=True)
    task = models.ForeignKey(Task, models.CASCADE)
    answer = models.JSONField(null=True)


class Row(Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    n = models.FloatField()
    d = models.DateField()
    x = models.TextField()

    class Meta(Model.Meta):
        abstract = False
        db_table = "t"


COLUMNS = [f.name for f in Row._meta.fields]


# ---- the smallest view

def bare(request):
    form = request.POST
    token = hashlib.sha1((os.environ["PEER_KEY"] + form["stamp"] + form["visitor"] + form["type"]).encode()).hexdigest()
    if not constant_time_compare(token, form["token"]) or abs(time.time() * 1000 - int(form["stamp"])) > 300000:
        return JsonResponse({"status": 401, "msg": "auth failed"})
    with transaction.atomic():
        Row.objects.bulk_create(Row(**dict(zip(COLUMNS, r))) for r in json.loads(form["ds"])[1:])
    return JsonResponse({"status": 200, "msg": "success"})


# ---- the equivalent view

class Refused(Exception):
    def __init__(self, status, msg):
        self.answer = {"status": status, "msg": msg}


def used_up(what, minute, most):
    return Minute.objects.filter(what=what, minute=minute, number__gte=most).exists()


def count(what, minute):
    Minute.objects.get_or_create(what=what, minute=minute)
    Minute.objects.filter(what=what, minute=minute).update(number=models.F("number") + 1)


def sha256(*texts):
    run = hashlib.sha256()
    for text in texts:
        data = text.encode()
        run.update(len(data).to_bytes(8, "big") + data)
    return run.hexdigest()


def readable(text):
    return 0 < len(text.encode()) < 256 and text.isprintable()


def identify(form, address, now):
    """The account that signed; unknown ones cost as much as known ones."""
    minute = now // 60000
    if used_up("failed " + address, minute, 20):
        raise Refused(429, "too many requests")
    visitor, type_, stamp = form.get("visitor", ""), form.get("type", ""), form.get("stamp", "")
    well = readable(visitor) and readable(type_) and len(stamp) == 13 and stamp.isdecimal() and stamp.isascii()
    account = Account.objects.filter(name=visitor).first() if well else None
    key = account.token if account else "-" * 43
    right = constant_time_compare(hashlib.sha1((key + stamp + visitor + type_).encode()).hexdigest(), form.get("token", "").lower())
    if account is None or not right or abs(now - int(stamp)) > account.window * 1000:
        log.info("signed request of %.80r from %s: auth failed", visitor, address)
        count("failed " + address, minute)
        raise Refused(401, "auth failed")
    if account.host is not None and not any(ipaddress.ip_address(address) in ipaddress.ip_network(h) for h in account.host):
        raise Refused(403, "forbidden")
    if account.limit and used_up("calls " + account.name, minute, account.limit):
        raise Refused(429, "too many requests")
    return account


def find_receiver(account, name):
    receiver = Receiver.objects.filter(name=name, enabled=True).first()
    if receiver is None:
        raise Refused(404, "dataset not found")
    if "*" not in account.receivers and receiver.name not in account.receivers or 0 not in receiver.ops:
        raise Refused(403, "forbidden")
    return receiver


def read_rows(form, receiver):
    if "ds" not in form:
        raise Refused(400, "bad request: no ds")
    try:
        ds = json.loads(form["ds"])
    except ValueError:
        raise Refused(400, "bad request: ds is no JSON")
    if not isinstance(ds, list) or len(ds) < 2 or not all(isinstance(r, list) for r in ds):
        raise Refused(400, "bad request: no rows")
    if len(ds) - 1 > receiver.max_rows:
        raise Refused(413, "too large")
    rows = []
    for number, cells in enumerate(ds[1:], 1):
        if len(cells) != len(COLUMNS):
            raise Refused(400, f"bad request: row {number}: {len(cells)} values")
        row = Row(**dict(zip(COLUMNS, cells)))
        try:
            row.clean_fields()
        except ValidationError as e:
            column, why = next(iter(e.message_dict.items()))
            raise Refused(400, f"bad request: row {number}, column {column}: {why[0]}")
        rows.append(row)
    return rows


def claim(form, account, receiver, address, now):
    """One commit: from now on nobody can do it a second time, whatever dies.  The recorded answer, if it was done before."""
    key = sha256("rows", account.name, form["stamp"], form["type"])
    content = sha256(*(text for pair in sorted(form.items()) if pair[0] != "token" for text in pair))
    try:
        with transaction.atomic():
            task = Task.objects.create(account=account.name, receiver=receiver, address=address, stamp=int(form["stamp"]), state="running")
            replay = Replay.objects.create(key=key, content=content, expires=now + 2000 * account.window + 60000, task=task)
            if account.limit:
                count("calls " + account.name, now // 60000)
        return task, replay, None
    except IntegrityError:
        old = Replay.objects.get(key=key)
        if not constant_time_compare(old.content, content):
            raise Refused(401, "auth failed")
        if old.answer is None:
            raise Refused(409, "busy")
        return None, None, old.answer


def carry_out(rows, task, replay):
    """The rows, and in the same commit what became of them: they never disagree."""
    answer = {"status": 200, "msg": "success"}
    try:
        with transaction.atomic():
            Row.objects.bulk_create(rows)
            Task.objects.filter(pk=task.pk).update(state="done", message="success", ended=time.strftime("%F %T"), inserted=len(rows))
            Replay.objects.filter(pk=replay.pk).update(answer=answer)
    except IntegrityError:
        with transaction.atomic():
            replay.delete()
            Task.objects.filter(pk=task.pk).update(state="failed", message="database error: constraint")
        raise Refused(500, "database error: constraint")
    return answer


@csrf_exempt
@require_POST
def receive(request):
    form, address, now = request.POST, request.META["REMOTE_ADDR"], int(time.time() * 1000)
    task, replayed = None, False
    try:
        account = identify(form, address, now)
        receiver = find_receiver(account, form["type"])
        rows = read_rows(form, receiver)
        task, replay, answer = claim(form, account, receiver, address, now)
        replayed = answer is not None
        if not replayed:
            answer = carry_out(rows, task, replay)
        log.info("signed request of %s from %s to %s: %d, task %d", account.name, address, receiver.name, answer["status"], task.pk if task else 0)
    except Refused as refused:
        answer = refused.answer
    response = JsonResponse(answer)
    if task is not None:
        response["X-Slipway-Task"] = task.pk
        response["X-Slipway-Rows"] = f"inserted={len(rows)} updated=0 deleted=0"
    if replayed:
        response["X-Slipway-Replayed"] = "1"
    return response


def setup(key):
    with connection.schema_editor() as editor:
        for model in (Account, Receiver, Minute, Task, Replay, Row):
            editor.create_model(model)
    Account.objects.create(name="loader", token=key, receivers=["*"])
    Receiver.objects.create(name="rate", ops=[0, 1, 2])


urlpatterns = [path("echart/dataset_api/", bare if BARE else receive)]
application = get_wsgi_application()
if __name__ == "__main__":
    setup(sys.argv[1])
