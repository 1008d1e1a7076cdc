"""The one Django app of the office."""

from django.apps import AppConfig


class OfficeConfig(AppConfig):
    """Named `office`, so that its pages lie under /admin/office/."""

    name = "tests.office"
    label = "office"
