#!/usr/bin/env python3
"""RSS of a proxy with N idle, authenticated client connections.

BENCH_TARGETS="name=127.0.0.1:port@pid"  BENCH_IDLE=1000
Opens connections with asyncpg, in batches of 50, runs SELECT 1 on each, holds them and reads VmRSS
(plus Pss) of the process and its children before and after.  Bounded: 2,000 connections at most.
"""
import asyncio, os, resource, sys
import benchlib as b


def rss_kb(pid):
    n = 0
    for p in b.tree(pid):
        try:
            n += sum(int(l.split()[1]) for l in open(f"/proc/{p}/smaps_rollup") if l.startswith("Pss:"))
        except OSError:
            pass
    return n


async def main():
    import asyncpg
    t = b.targets()[0]
    n = min(int(os.environ.get("BENCH_IDLE", "1000")), 2000)
    pid = t.pid or sys.exit("give the pid: BENCH_TARGETS=name=host:port@pid")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    before = rss_kb(pid)

    async def conn():
        c = await asyncpg.connect(host=t.host, port=t.port, user=b.user(), password=b.password(t.name),
                                  database=b.database(), ssl=False, statement_cache_size=0, timeout=60)
        await c.execute("SELECT 1")
        return c
    conns = []
    while len(conns) < n:
        conns += await asyncio.gather(*[conn() for _ in range(min(50, n - len(conns)))])
    await asyncio.sleep(2)
    after = rss_kb(pid)
    print(f"{t.name}: PSS before {before} KiB, with {n} idle {after} KiB, {(after - before) / n:.2f} KiB per connection")
    await asyncio.gather(*[c.close() for c in conns])


if __name__ == "__main__":
    asyncio.run(main())
