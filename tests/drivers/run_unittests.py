"""Runs a driver's own test-suite, a test after the other, and writes what became of each to a file.

Usage: run_unittests.py OUTCOMES, in a folder with the driver's package `tests`. OUTCOMES gets a line for each test,
`outcome TAB name`; tests that are in it already are left out, so that a run that was cut short by a hanging test can be
taken up after it. What failed is told on standard error. Variables say where to connect, as the suite expects them.
"""

import os
import sys
import threading
import traceback
import unittest
import warnings

# Warnings that stay warnings, where a suite makes errors of them. This one says that no send had to wait, and psycopg2's own
# comment on it that so it goes where buffers are large: there is nothing to compare then.
WARNINGS_ONLY = ["sending a large query didn't trigger block on write"]

# Longest time one test may take, in seconds. The slowest takes about five.
LIMIT_S = 40


class Recorder(unittest.TestResult):
    """Writes each outcome as soon as it is known."""

    def __init__(self, path):
        super().__init__()
        self.file = open(path, "a", buffering=1)
        self.outcome = None
        self.watch = None

    def startTest(self, test):
        super().startTest(test)
        self.outcome = "ok"
        self.watch = threading.Timer(LIMIT_S, self.give_up, [test])
        self.watch.daemon = True
        self.watch.start()

    def give_up(self, test):
        """A test that hangs does so in C code, where no exception reaches it: the process ends."""
        self.file.write(f"hung\t{test.id()}\n")
        self.file.flush()
        os._exit(3)

    def stopTest(self, test):
        self.watch.cancel()
        self.file.write(f"{self.outcome}\t{test.id()}\n")
        super().stopTest(test)

    def addFailure(self, test, err):
        self.failed(test, err)

    def addError(self, test, err):
        self.failed(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.failed(subtest, err)

    def addSkip(self, test, reason):
        self.outcome = "skipped"

    def addUnexpectedSuccess(self, test):
        self.outcome = "failed"

    def failed(self, test, err):
        self.outcome = "failed"
        print(f"== {test.id()}", *traceback.format_exception(*err), sep="\n", file=sys.stderr)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def suite():
    """psycopg2 chooses what to run by a function of its own; where there is none, everything is run."""
    import tests

    if hasattr(tests, "test_suite"):
        return tests.test_suite()
    return unittest.TestLoader().discover("tests", top_level_dir=".")


def main(outcomes):
    sys.path.insert(0, os.getcwd())
    done = set()
    if os.path.exists(outcomes):
        with open(outcomes) as lines:
            done = {line.rstrip("\n").split("\t", 1)[1] for line in lines}
    tests = list(flatten(suite()))
    # After the suite was imported, which sets filters of its own.
    for message in WARNINGS_ONLY:
        warnings.filterwarnings("default", message=message)
    chosen = unittest.TestSuite(test for test in tests if test.id() not in done)
    chosen.run(Recorder(outcomes))


if __name__ == "__main__":
    main(sys.argv[1])
