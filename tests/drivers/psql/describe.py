"""What a person at psql does: asks what there is by its backslash commands, each of which is a query of the catalogue, and
looks at a table. See report.py for what it prints.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from report import answers, customer, line  # noqa: E402

TABLES = ["public.customers", "public.orders", "shop.product", "shop.review", "shop.category", "shop.visit", "shop.special"]

COMMANDS = [
    r"\encoding", r"\dn+", r"\d", r"\d *.*", r"\dt *.*", r"\dv shop.*", r"\dm shop.*", r"\ds shop.*",
    r"\di shop.*", r"\df shop.*", r"\df+ shop.*", r"\df pg_*", r"\da", r"\dT+ shop.*", r"\dD shop.*", r"\du", r"\dp shop.*",
    r"\ddp", r"\dx", r"\dx+", r"\dy", r"\db", r"\dA+", r"\dAc btree", r"\dAf btree", r"\dAo btree", r"\dC", r"\dc",
    r"\dO", r"\dd", r"\dP", r"\dRp", r"\dRs", r"\dF+", r"\dFd", r"\dFp", r"\dFt", r"\dL", r"\drds", r"\dconfig work_mem",
    r"\sf shop.doubled", r"\sv shop.cheap", r"\z public.*",
]

CUSTOMERS = "SELECT * FROM customers WHERE id <= 5 ORDER BY id"
ORDERS = "SELECT id, item FROM orders WHERE id < 4 ORDER BY id"
SEPARATOR = "\x1f"


def psql(script, *options):
    """Standard output of psql; an error is an answer too."""
    command = ["psql", "-X", "-q", "-P", "pager=off", *options]
    ran = subprocess.run(command, input=script, capture_output=True, text=True)
    return ran.stdout + "".join(f"error {text}\n" for text in ran.stderr.splitlines())


def describe():
    for command in COMMANDS + [rf"\d+ {table}" for table in TABLES]:
        answers(command, lambda: psql(command + "\n").splitlines())


def read():
    lines = psql(CUSTOMERS + ";\n", "-A", "-F", SEPARATOR, "-P", "footer=off").splitlines()
    names = lines[0].split(SEPARATOR)
    for row in lines[1:]:
        values = dict(zip(names, row.split(SEPARATOR)))
        for name, value in values.items():
            customer("psql", values["id"], name, value)
    portions = psql(f"\\set FETCH_COUNT 2\n{CUSTOMERS};\n", "-A", "-t", "-F", SEPARATOR).splitlines()
    line("in portions", [row.split(SEPARATOR)[:2] for row in portions])
    answers("copied", lambda: psql(f"\\copy ({ORDERS}) TO STDOUT CSV\n").splitlines())


if __name__ == "__main__":
    describe()
    read()
