"""As little as a project needs."""

import os
from pathlib import Path

import django

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = os.environ.get("SECRET_KEY", "not a secret: an example")
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}

INSTALLED_APPS = [
    "onebeat.integrations.django",
    "shop",
]

ONEBEAT = {
    "NAME": "shop",
    "SERVER": {"concurrency": 8},
}

TASKS = {
    "default": {
        "BACKEND": "onebeat.integrations.django.backend.OnebeatBackend",
        "QUEUES": ["default", "reports"],
        "OPTIONS": {"max_retry": 2, "retention": 86_400},
    }
}

if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")  # the backport of django.tasks
