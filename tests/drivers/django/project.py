"""What a Django project does: it writes models for tables that are there already, makes its own by migrations, and uses
both. See report.py for what it prints.
"""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from report import answer, answers, customer  # noqa: E402

APP = "garden"


def configure(folder):
    """The migrations are made anew, into a folder of their own."""
    package = Path(folder) / "written_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    sys.path[:0] = [folder, str(Path(__file__).resolve().parent)]
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.postgres", APP],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"],
            "PASSWORD": os.environ["PGPASSWORD"],
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "OPTIONS": {"sslmode": os.environ["PGSSLMODE"], "sslrootcert": os.environ["PGSSLROOTCERT"]},
        }},
        MIGRATION_MODULES={APP: "written_migrations"},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="Europe/Vienna",
    )
    django.setup()


def command(name, *arguments, **options):
    from django.core.management import call_command

    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        call_command(name, *arguments, stdout=text, no_color=True, **options)
    return text.getvalue()


def introspect():
    from django.db import connection

    answers("inspectdb", lambda: command("inspectdb", include_views=True, include_partitions=True).splitlines())
    with connection.cursor() as cursor:
        tables = answer("tables", lambda: sorted(connection.introspection.get_table_list(cursor))) or []
        for table in tables:
            key, introspection = table.name, connection.introspection
            answers(f"{key} columns", lambda: introspection.get_table_description(cursor, key))
            answers(f"{key} constraints", lambda: introspection.get_constraints(cursor, key))
            answers(f"{key} relations", lambda: introspection.get_relations(cursor, key))
            answers(f"{key} sequences", lambda: introspection.get_sequences(cursor, key))


def migrate():
    answer("check", lambda: command("check", database=["default"]))
    answer("makemigrations", lambda: command("makemigrations", APP).replace(os.sep, "/").splitlines()[0])
    answers("migrate", lambda: command("migrate").splitlines())
    answers("showmigrations", lambda: command("showmigrations").splitlines())
    answers("sqlmigrate", lambda: command("sqlmigrate", APP, "0001").splitlines())
    answer("migrate again", lambda: command("migrate").splitlines()[-1].strip())


def read():
    from django.db.models import Count, F, Sum, Window
    from django.db.models.functions import Rank

    from garden.models import Customer, Order

    def customers():
        found = Customer.objects.filter(id__lte=5).order_by("id").prefetch_related("orders")
        for row in found:
            for field in Customer._meta.concrete_fields:
                customer("django", row.id, field.name, getattr(row, field.attname))
        return [[order.item for order in row.orders.order_by("id")] for row in found]

    answer("orders of customers", customers)
    answer("count", lambda: Customer.objects.count())
    answer("one", lambda: Order.objects.select_related("customer").get(pk=3).customer.name)
    # Without values() Django would group by every column of a table that it does not manage, protected ones too.
    answers("totals", lambda: list(
        Customer.objects.filter(id__in=[1, 2, 3]).values("id", "name")
        .annotate(n=Count("orders"), sum=Sum(F("orders__price"))).order_by("id")))
    answers("ranked", lambda: list(Order.objects.filter(id__lte=20).annotate(
        rank=Window(Rank(), partition_by="item", order_by="placed")).values_list("id", "rank").order_by("id")))
    answer("iterated", lambda: sum(order.quantity for order in Order.objects.order_by("id").iterator(chunk_size=50)))
    answer("month", lambda: list(Order.objects.dates("placed", "month")))
    answers("explained", lambda: ["Scan" in Order.objects.filter(pk=1).explain()])


def write():
    from django.db import IntegrityError, transaction
    from django.db.models import F

    from garden.models import Bed, Order, Plant

    def made():
        bed = Bed.objects.create(name="north", size={"width": 3})
        plant = Plant.objects.create(name="leek", bed=bed, tags=["a", "b c"], height="12.50")
        return bed.pk, plant.pk, Plant.objects.get(pk=plant.pk).tags

    def many():
        bed = Bed.objects.get(name="north")
        Plant.objects.bulk_create([Plant(name=f"plant {number}", bed=bed) for number in range(100)])
        return Plant.objects.count()

    def again():
        plant, created = Plant.objects.update_or_create(name="leek", defaults={"height": "13"})
        return plant.pk, created

    def locked():
        with transaction.atomic():
            return Bed.objects.select_for_update().get(name="north").size

    def rolled_back():
        try:
            with transaction.atomic():
                Plant.objects.all().delete()
                raise RuntimeError
        except RuntimeError:
            return Plant.objects.count()

    def violated():
        try:
            with transaction.atomic():
                Bed.objects.create(name="north")
        except IntegrityError as error:
            return error.__cause__.sqlstate

    for work in [made, many, again, locked, rolled_back, violated]:
        answer(work.__name__, work)
    answer("found in JSON", lambda: Bed.objects.filter(size__width=3).count())
    answer("found in array", lambda: Plant.objects.filter(tags__contains=["a"]).count())
    answer("changed", lambda: Order.objects.filter(pk__lte=10).update(quantity=F("quantity") + 1))
    answer("deleted", lambda: Bed.objects.filter(name="north").delete())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as written:
        configure(written)
        introspect()
        migrate()
        read()
        write()
        answer("flushed", lambda: command("migrate", APP, "zero").splitlines()[-1].strip())
