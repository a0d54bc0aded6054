#!/usr/bin/env python3
"""Large result sets: MB/s of row payload for COPY OUT, SELECT through libpq, SELECT through a driver, COPY IN.

Needs table `big` (see peers/load.sh): BENCH_ROWS rows of a 100-byte text column.
The select_asyncpg leg needs the asyncpg module (pip install asyncpg).
"""
import asyncio, os, subprocess, time
import benchlib as b

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
TABLE, COLUMN = os.environ.get("BENCH_TABLE", "big"), os.environ.get("BENCH_COLUMN", "v")
MB = ROWS * 100 / 1e6
LEGS = os.environ.get("BENCH_LEGS", "copy_out select_psql select_asyncpg copy_in").split()


def psql(t, sql, stdin=None):
    t0 = time.perf_counter()
    subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql], env=t.env(), check=True,
                   stdout=subprocess.DEVNULL, stdin=stdin, timeout=120)
    return MB / (time.perf_counter() - t0)


def asyncpg_select(t):
    import asyncpg

    async def go():
        c = await asyncpg.connect(host=t.host, port=t.port, user=b.user(), password=b.password(t.name),
                                  database=b.database(), ssl=False, statement_cache_size=0)
        t0 = time.perf_counter()
        rows = await c.fetch(f"SELECT {COLUMN} FROM {TABLE} LIMIT {ROWS}")
        dt = time.perf_counter() - t0
        assert len(rows) == ROWS
        await c.close()
        return MB / dt
    return asyncio.run(asyncio.wait_for(go(), 60))      # a proxy that drops Flush hangs asyncpg for ever


def one(t, _r):
    out = {}
    for leg in LEGS:
        c0 = t.cpu_ns()
        leg_once(t, leg, out)
        if c0 is not None:
            out[leg + "_proxy_cpu_ms_per_100MB"] = (t.cpu_ns() - c0) / 1e6 / (MB / 100)
    return out


def leg_once(t, leg, out):
    if leg == "copy_out":
        out["copy_out_MBps"] = psql(t, f"COPY (SELECT {COLUMN} FROM {TABLE} LIMIT {ROWS}) TO STDOUT")
    elif leg == "select_psql":          # FETCH_COUNT not set: libpq buffers, as most drivers do
        out["select_psql_MBps"] = psql(t, f"SELECT {COLUMN} FROM {TABLE} LIMIT {ROWS}")
    elif leg == "select_asyncpg":
        out["select_asyncpg_MBps"] = asyncpg_select(t)
    elif leg == "copy_in":
        with open(os.environ.get("BENCH_COPY_FILE", "bench-big.copy")) as f:
            out["copy_in_MBps"] = psql(t, "COPY sink FROM STDIN", f)
        subprocess.run(["psql", "-Xqc", "TRUNCATE sink"], env=BASE.env(), check=True)


if __name__ == "__main__":
    ts = b.targets()
    BASE = ts[0]
    b.report(f"stream {ROWS} rows x 100 bytes", b.interleave(ts, b.rounds(), one), ts[0].name, unit="")
