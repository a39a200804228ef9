"""The smallest Django project, for gunicorn: gunicorn django_hello:application."""
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=False, SECRET_KEY="for a benchmark on loopback", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
urlpatterns = [path("", lambda request: HttpResponse("hello\n", content_type="text/plain"))]
application = get_wsgi_application()
