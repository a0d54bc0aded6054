"""Shared helpers for the interleaved proxy benchmarks (stdlib only).

A *target* is one address to measure.  Targets come from the environment:

    BENCH_TARGETS="direct=127.0.0.1:15432 pgbouncer=127.0.0.1:16432@4711 ours=127.0.0.1:17432@4712"

An optional @PID names the proxy's process; its CPU time (all threads and children, from
/proc/*/task/*/schedstat) is then reported per operation.  That figure is the one to trust on a
machine whose cores are shared: wall-clock latency moves with whatever else runs, CPU per
operation hardly does.

The FIRST target is the baseline ("direct"); every other target is reported as a
ratio to the baseline measured in the same round, so slow drift and noise of the
machine cancel out.  Each round visits all targets once, in rotated order.

Only loopback addresses are accepted: these are load tools.
"""
import asyncio, ipaddress, json, os, statistics, subprocess, sys, time


class Target:
    def __init__(self, name, host, port, pid=None):
        self.name, self.host, self.port, self.pid = name, host, int(port), pid

    def cpu_ns(self):
        """CPU nanoseconds used so far by the proxy, or None without a pid."""
        if self.pid is None:
            return None
        total = 0
        for p in tree(self.pid):
            try:
                for task in os.listdir(f"/proc/{p}/task"):
                    total += int(open(f"/proc/{p}/task/{task}/schedstat").read().split()[0])
            except OSError:
                pass
        return total

    def env(self, prefix="PG"):
        e = dict(os.environ)
        if prefix == "PG":
            e.update(PGHOST=self.host, PGPORT=str(self.port), PGUSER=user(), PGPASSWORD=password(self.name),
                     PGDATABASE=database(), PGSSLMODE=os.environ.get("BENCH_SSLMODE", "disable"),
                     PGGSSENCMODE="disable")
        return e

    def __repr__(self):
        return f"{self.name}={self.host}:{self.port}"


def tree(pid):
    """The process and all its descendants."""
    kids, todo = [], [pid]
    while todo:
        p = todo.pop()
        kids.append(p)
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                todo += [int(x) for x in open(f"/proc/{p}/task/{task}/children").read().split()]
        except OSError:
            pass
    return sorted(set(kids))


def user():     return os.environ.get("BENCH_USER", "bench")
def password(target=""):
    """A gateway takes a token where the others take the database's password: BENCH_PASSWORD_<target>."""
    own = "BENCH_PASSWORD_" + target.replace("-", "_")
    return os.environ.get(own, os.environ.get("BENCH_PASSWORD", "bench"))
def database(): return os.environ.get("BENCH_DB", "bench")
def rounds():   return int(os.environ.get("BENCH_ROUNDS", "5"))
def seconds():  return float(os.environ.get("BENCH_SECONDS", "2"))


def targets(var="BENCH_TARGETS"):
    out = []
    for item in os.environ.get(var, "").split():
        name, addr = item.split("=", 1)
        addr, _, pid = addr.partition("@")
        host, port = addr.rsplit(":", 1)
        if not ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
            sys.exit(f"{item}: only loopback targets are allowed")
        out.append(Target(name, host, port, int(pid) if pid else None))
    if not out:
        sys.exit(f"{var} is empty; see README.md")
    return out


def interleave(tgts, n, fn):
    """fn(target, round) -> {metric: number}; returns {target: {metric: [per round]}}."""
    data = {t.name: {} for t in tgts}
    for r in range(n):
        order = tgts[r % len(tgts):] + tgts[:r % len(tgts)]
        got = {}
        for t in order:
            try:
                got[t.name] = fn(t, r)
            except (OSError, RuntimeError, asyncio.TimeoutError, subprocess.SubprocessError) as e:
                err = (getattr(e, "stderr", None) or str(e) or type(e).__name__).strip().splitlines()[-1:]
                print(f"  FAILED {t.name} round {r}: {' '.join(err)[:160]}", flush=True)
                got[t.name] = {}
        for name, metrics in got.items():
            for k, v in metrics.items():
                data[name].setdefault(k, []).append(v)
    return data


def with_cpu(t, ops_of, fn):
    """Runs fn() and adds the proxy's CPU per operation; ops_of(metrics) -> operations done."""
    c0 = t.cpu_ns()
    m = fn()
    if c0 is not None:
        m["proxy_cpu_us_per_op"] = (t.cpu_ns() - c0) / 1e3 / max(1.0, ops_of(m))
    m.pop("_ops", None)
    return m


def pct(values, p):
    s = sorted(values)
    return s[min(len(s) - 1, int(len(s) * p / 100.0))]


def report(title, data, base, unit="", diff=()):
    """Medians, plus the median (min..max) of the per-round ratio to the baseline.
    Metrics named in `diff` also get the median per-round difference."""
    print(f"\n## {title}")
    metrics = list(dict.fromkeys(k for d in data.values() for k in d))
    res = {}
    for m in metrics:
        print(f"  {m}{(' ' + unit) if unit else ''}")
        for name, d in data.items():
            if not d.get(m):
                continue
            med = statistics.median(d[m])
            same = len(d[m]) == len(data[base].get(m, []))      # a failed round breaks the pairing
            ratios = [a / b for a, b in zip(d[m], data[base][m]) if b] if same else []
            line = f"    {name:<18} {med:>12.2f}"
            res.setdefault(name, {})[m] = {"median": med}
            if name != base and ratios:
                rm = statistics.median(ratios)
                line += f"   x{rm:.3f} ({min(ratios):.3f}..{max(ratios):.3f})"
                res[name][m].update(ratio=rm, ratio_min=min(ratios), ratio_max=max(ratios))
                if m in diff:
                    dm = statistics.median([a - b for a, b in zip(d[m], data[base][m])])
                    line += f"   {dm:+.1f}"
                    res[name][m]["added"] = dm
            print(line)
    sys.stdout.flush()
    out = os.environ.get("BENCH_JSON")
    if out:
        with open(out, "a") as f:
            f.write(json.dumps({"time": time.time(), "title": title, "raw": data, "summary": res}) + "\n")
    return res
