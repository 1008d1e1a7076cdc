"""The admin pages: each table with the library's export page, to which two date fields are added."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from import_export.admin import ExportMixin
from import_export.fields import Field as Column
from import_export.formats.base_formats import CSV, XLSX, Format
from import_export.forms import SelectableFieldsExportForm
from import_export.resources import ModelResource

from tests.office.models import PembayaranKoin, PointTrx, Transaksi, TransaksiBesar, User


class Rows(ModelResource):
    """Columns are headed by what the office calls them, not by their names in the database."""

    @classmethod
    def field_from_django_field(cls, field_name: str, django_field: Field, readonly: bool) -> Column:
        """Return the column of a model's field, headed by its verbose name."""
        column = super().field_from_django_field(field_name, django_field, readonly)
        column.column_name = str(django_field.verbose_name)
        return column


class DatedExportForm(SelectableFieldsExportForm):
    """The library's form with a first and a last day; a day left empty does not limit."""

    start_date = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    end_date = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))


class DatedAdmin(ExportMixin, admin.ModelAdmin):
    """A table whose export may be limited to days, as a clock in Jakarta counts them."""

    export_form_class = DatedExportForm
    formats = (CSV, XLSX)

    def get_export_formats(self) -> list[type[Format]]:
        """Return the two formats; the form numbers them 0 and 1."""
        return list(self.formats)

    def get_export_resource_classes(self, request: HttpRequest) -> list[type[ModelResource]]:
        """Return the one set of columns, named after the model as the library would name it."""
        meta = type("Meta", (), {"model": self.model})
        return [type(f"{self.model.__name__}Resource", (Rows,), {"Meta": meta})]

    def _do_file_export(
        self,
        file_format: Format,
        request: HttpRequest,
        queryset: QuerySet[Model],
        export_form: Any = None,
    ) -> HttpResponse:
        if export_form is not None:
            limits = {
                "waktu__date__gte": export_form.cleaned_data.get("start_date"),
                "waktu__date__lte": export_form.cleaned_data.get("end_date"),
            }
            queryset = queryset.filter(**{name: day for name, day in limits.items() if day is not None})
        response: HttpResponse = super()._do_file_export(file_format, request, queryset, export_form=export_form)
        return response


for model in (Transaksi, TransaksiBesar, PointTrx, User, PembayaranKoin):
    admin.site.register(model, DatedAdmin)
