"""What an application over SQLAlchemy does: it reflects whatever there is, maps it, reads, and writes, once over psycopg2 and
once over asyncpg. See report.py for what it prints.
"""

import asyncio
import os
import re
import ssl
import sys
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from report import answer, answers, customer  # noqa: E402

SCHEMAS = ["public", "shop"]


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str | None]
    card: Mapped[str | None]
    ssn: Mapped[str | None]
    iban: Mapped[str | None]
    notes: Mapped[str | None]
    profile = mapped_column(postgresql.JSONB)
    tags = mapped_column(sa.ARRAY(sa.Text))
    balance: Mapped[Decimal | None]
    born = mapped_column(sa.Date)
    uid = mapped_column(sa.Uuid)
    active: Mapped[bool | None]
    orders: Mapped[list["Order"]] = relationship(back_populates="customer", order_by="Order.id")


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    customer_id = mapped_column(sa.ForeignKey("customers.id"))
    item: Mapped[str]
    quantity: Mapped[int]
    price: Mapped[Decimal]
    placed = mapped_column(sa.DateTime(timezone=True))
    customer: Mapped[Customer] = relationship(back_populates="orders")


class Category(Base):
    __tablename__ = "category"
    __table_args__ = {"schema": "shop"}
    id: Mapped[int] = mapped_column(sa.Identity(always=True), primary_key=True)
    parent_id = mapped_column(sa.ForeignKey("shop.category.id"))
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)


class Note(Base):
    """A table that the application itself makes."""

    __tablename__ = "note"
    __table_args__ = (sa.Index("note_title", "title"), {"schema": "shop", "comment": "Made by SQLAlchemy"})
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80))
    mood = mapped_column(sa.Enum("good", "bad", name="note_mood", schema="shop"))
    details = mapped_column(postgresql.JSONB, server_default="{}")
    tags = mapped_column(sa.ARRAY(sa.Text))
    made = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


def shown(value):
    """Reflected types have no readable form of their own; sets of words have no order."""
    if isinstance(value, dict):
        return {key: shown(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, sa.types.TypeEngine):
        return repr(value)
    return value


def inspect(connection, way):
    inspector = sa.inspect(connection)
    answer(f"{way} schemas", lambda: inspector.get_schema_names())
    answer(f"{way} default schema", lambda: inspector.default_schema_name)
    for schema in SCHEMAS:
        key = f"{way} {schema}"
        answer(f"{key} tables", lambda: inspector.get_table_names(schema))
        answer(f"{key} sorted", lambda: inspector.get_sorted_table_and_fkc_names(schema))
        answer(f"{key} views", lambda: inspector.get_view_names(schema))
        answer(f"{key} materialized", lambda: inspector.get_materialized_view_names(schema))
        answer(f"{key} sequences", lambda: inspector.get_sequence_names(schema))
        answers(f"{key} enums", lambda: [shown(item) for item in inspector.get_enums(schema)])
        answers(f"{key} domains", lambda: [shown(item) for item in inspector.get_domains(schema)])
        for what in ["columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints",
                     "check_constraints", "table_comment"]:
            get = getattr(inspector, f"get_multi_{what}")
            answers(f"{key} {what}", lambda: {
                name: shown(value) for (_, name), value in get(schema=schema, kind=ObjectKind.ANY).items()})
        for view in inspector.get_view_names(schema):
            answer(f"{key} definition of {view}", lambda: inspector.get_view_definition(view, schema))
    answer(f"{way} temporary", lambda: inspector.get_temp_table_names())
    for table in ["customers", "orders", "nothing"]:
        answer(f"{way} has {table}", lambda: inspector.has_table(table))


def reflect(connection, way):
    for schema in SCHEMAS:
        metadata = sa.MetaData()
        answer(f"{way} reflected {schema}", lambda: metadata.reflect(connection, schema=schema, views=True))
        answers(f"{way} tables of {schema}", lambda: {
            name: re.sub(" at 0x[0-9a-f]+", "", repr(table)) for name, table in metadata.tables.items()})
    mapped = automap_base()
    answer(f"{way} automapped", lambda: mapped.prepare(autoload_with=connection, schema="shop"))
    answers(f"{way} mapped", lambda: sorted(mapped.classes.keys()))


def read(session, way):
    def customers():
        query = sa.select(Customer).where(Customer.id <= 5).order_by(Customer.id).options(selectinload(Customer.orders))
        found = session.scalars(query).all()
        for row in found:
            for column in sa.inspect(Customer).columns:
                customer(way, row.id, column.name, getattr(row, column.key))
        return [[order.item for order in row.orders] for row in found]

    def streamed():
        rows = session.scalars(sa.select(Order.quantity).order_by(Order.id).execution_options(yield_per=50))
        return sum(rows)

    answer(f"{way} orders of customers", customers)
    answer(f"{way} streamed", streamed)
    answers(f"{way} totals", lambda: session.execute(
        sa.select(Customer.id, Customer.name, sa.func.sum(Order.price * Order.quantity))
        .join(Order.customer).where(Customer.id.in_([1, 2, 3])).group_by(Customer.id).order_by(Customer.id)).all())
    answers(f"{way} ranked", lambda: session.execute(
        sa.select(Order.id, sa.func.rank().over(partition_by=Order.item, order_by=Order.placed))
        .where(Order.id <= 40).order_by(Order.id)).all())
    answer(f"{way} exists", lambda: session.scalar(
        sa.select(sa.exists().where(Order.customer_id == 3, Order.quantity > 0))))
    product = sa.Table("product", sa.MetaData(), schema="shop", autoload_with=session.connection())
    # The driver has no codec for composite types and money that were not registered.
    columns = [column for column in product.c if column.name not in ("origin", "cost", "sizes")]
    answers(f"{way} products", lambda: [
        [bytes(value) if isinstance(value, memoryview) else value for value in row]
        for row in session.execute(sa.select(*columns).order_by(product.c.id))])


def write(session, way):
    def added():
        note = Note(title="A 'quoted' title", mood="good", tags=["a", "b c"], details={"a": [1, None]})
        session.add(note)
        session.flush()
        session.refresh(note)
        session.commit()
        return note.id, note.mood, note.details, note.tags

    def many():
        session.add_all([Note(title=f"Note {number}", mood="bad") for number in range(200)])
        session.commit()
        return session.scalar(sa.select(sa.func.count()).select_from(Note))

    def changed():
        order = session.get(Order, 6)
        order.quantity += 10
        session.commit()
        return session.get(Order, 6).quantity

    def upserted():
        insert = postgresql.insert(Category).values(name="tools")
        insert = insert.on_conflict_do_update(index_elements=["name"], set_={"name": insert.excluded.name})
        identity = session.scalar(insert.returning(Category.id))
        session.commit()
        return identity

    def rolled_back():
        nested = session.begin_nested()
        session.execute(sa.delete(Note))
        nested.rollback()
        session.commit()
        return session.scalar(sa.select(sa.func.count()).select_from(Note))

    def violated():
        try:
            session.add(Category(name="saws"))
            session.commit()
        except sa.exc.IntegrityError as error:
            session.rollback()
            return getattr(error.orig, "pgcode", None) or error.orig.sqlstate

    for work in [added, many, changed, upserted, rolled_back, violated]:
        answer(f"{way} {work.__name__}", work)
    answer(f"{way} deleted", lambda: session.execute(
        sa.delete(Note).where(Note.mood == "bad").returning(Note.id)).all())
    session.commit()


def everything(connection, way):
    inspect(connection, way)
    reflect(connection, way)
    answer(f"{way} made", lambda: Note.metadata.create_all(connection, tables=[Note.__table__]))
    connection.commit()
    with Session(connection) as session:
        read(session, way)
        write(session, way)
    answer(f"{way} dropped", lambda: Note.metadata.drop_all(connection, tables=[Note.__table__]))
    connection.commit()


def address(driver):
    return sa.URL.create(
        f"postgresql+{driver}", os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGHOST"],
        int(os.environ["PGPORT"]), os.environ["PGDATABASE"])


def over_psycopg2():
    engine = sa.create_engine(address("psycopg2"))
    with engine.connect() as connection:
        everything(connection, "psycopg2")
    engine.dispose()


async def over_asyncpg():
    verified = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    engine = create_async_engine(address("asyncpg"), connect_args={"ssl": verified})
    async with engine.connect() as connection:
        await connection.run_sync(everything, "asyncpg")
    async with AsyncSession(engine) as session:
        rows = await session.scalars(sa.select(Order.item).where(Order.customer_id == 7).order_by(Order.id))
        answer("asyncpg awaited", lambda: rows.all())
    await engine.dispose()


if __name__ == "__main__":
    over_psycopg2()
    asyncio.run(over_asyncpg())
