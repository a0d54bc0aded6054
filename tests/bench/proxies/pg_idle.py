#!/usr/bin/env python3
"""Memory of a proxy for each of N idle, authenticated client connections.

BENCH_TARGETS="name=127.0.0.1:port@pid ..."  BENCH_IDLE=1000
Opens the connections through libpq, runs SELECT 1 on each, holds them and reads the PSS of the process and its children
before and after; a second time too, when the allocator has what the first left.  Bounded: 2,000 connections at most.
"""
import ctypes, ctypes.util, os, resource, sys, time
import benchlib as b

PQ = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
PQ.PQconnectdb.restype = PQ.PQexec.restype = ctypes.c_void_p
PQ.PQconnectdb.argtypes, PQ.PQexec.argtypes = [ctypes.c_char_p], [ctypes.c_void_p, ctypes.c_char_p]
PQ.PQstatus.argtypes = PQ.PQresultStatus.argtypes = PQ.PQclear.argtypes = PQ.PQfinish.argtypes = [ctypes.c_void_p]
PQ.PQerrorMessage.argtypes, PQ.PQerrorMessage.restype = [ctypes.c_void_p], ctypes.c_char_p
TUPLES_OK = 2
STATEMENT = os.environ.get("BENCH_STATEMENT", "SELECT 1").encode()


def pss_kib(pid):
    total = 0
    for p in b.tree(pid):
        try:
            total += sum(int(line.split()[1]) for line in open(f"/proc/{p}/smaps_rollup") if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def connect(t):
    mode = os.environ.get("BENCH_SSLMODE", "disable")
    c = PQ.PQconnectdb(f"host={t.host} port={t.port} user={b.user()} dbname={b.database()} sslmode={mode} "
                       f"gssencmode=disable password='{b.password(t.name)}'".encode())
    if PQ.PQstatus(c) != 0:
        sys.exit(f"{t.name}: {PQ.PQerrorMessage(c).decode()}")
    r = PQ.PQexec(c, STATEMENT)
    if PQ.PQresultStatus(r) != TUPLES_OK:
        sys.exit(f"{t.name}: {PQ.PQerrorMessage(c).decode()}")
    PQ.PQclear(r)
    return c


def main():
    n = min(int(os.environ.get("BENCH_IDLE", "1000")), 2000)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    print(f"\n## PSS with {n} idle clients, {b.os.environ.get('BENCH_SSLMODE', 'without TLS')}")
    for t in b.targets():
        if t.pid is None:
            continue
        PQ.PQfinish(connect(t))
        for attempt in (1, 2):
            before = pss_kib(t.pid)
            held = [connect(t) for _ in range(n)]
            time.sleep(2)
            after = pss_kib(t.pid)
            print(f"    {t.name:<18} {(after - before) / n:8.2f} KiB a client ({before} to {after} KiB, time {attempt})",
                  flush=True)
            for c in held:
                PQ.PQfinish(c)
            time.sleep(2)


if __name__ == "__main__":
    main()
