"""Models of the sample's tables, which Django does not manage, and of tables that it makes."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


class Customer(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    email = models.CharField(max_length=80)
    phone = models.TextField(null=True)
    card = models.TextField(null=True)
    ssn = models.TextField(null=True)
    iban = models.TextField(null=True)
    notes = models.TextField(null=True)
    profile = models.JSONField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    born = models.DateField(null=True)
    uid = models.UUIDField(null=True)
    active = models.BooleanField(null=True)

    class Meta:
        managed = False
        db_table = "customers"


class Order(models.Model):
    id = models.BigIntegerField(primary_key=True)
    customer = models.ForeignKey(Customer, models.DO_NOTHING, related_name="orders")
    item = models.TextField()
    quantity = models.IntegerField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    placed = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "orders"


class Bed(models.Model):
    name = models.CharField(max_length=40, unique=True)
    size = models.JSONField(default=dict)
    made = models.DateTimeField(auto_now_add=True)


class Plant(models.Model):
    name = models.CharField(max_length=40, db_index=True)
    bed = models.ForeignKey(Bed, models.CASCADE, related_name="plants")
    tags = ArrayField(models.TextField(), default=list)
    height = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    rare = models.BooleanField(default=False)

    class Meta:
        db_table_comment = "What grows"
        indexes = [GinIndex(fields=["tags"], name="plant_tags")]
        constraints = [
            models.CheckConstraint(condition=models.Q(height__gte=0), name="plant_height"),
            models.UniqueConstraint(fields=["bed", "name"], name="plant_once", condition=models.Q(rare=True)),
        ]
