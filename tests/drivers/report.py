"""What the programs in Python print: a line `KEY TAB VALUE` for each answer. Keys of protected values start with "masked "."""

# Columns of the sample's customers whose values nobody here may see: by rule, or found by a detector.
PROTECTED = {"email", "phone", "card", "ssn", "iban", "notes", "profile", "tags"}


def line(key, value):
    value = str(value).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    print(f"{key}\t{value}", flush=True)


def answer(key, work):
    """Prints what `work` returns. An error is an answer too."""
    try:
        value = work()
    except Exception as error:
        line(key, f"error {type(error).__name__} {error}")
        return None
    line(key, value)
    return value


def answers(key, work):
    """Prints each item of the list, or of the values by name, that `work` returns."""
    try:
        values = work()
        items = sorted(values.items(), key=str) if isinstance(values, dict) else list(enumerate(values))
    except Exception as error:
        line(key, f"error {type(error).__name__} {error}")
        return
    for name, value in items:
        line(f"{key}/{name}", value)
    line(key, f"{len(items)} items")


def customer(way, identity, name, value):
    """Prints one value of a customer."""
    mark = "masked " if name in PROTECTED else ""
    line(f"{mark}{way} customer {identity}.{name}", value)
