"""{{name}}: denies changes to the tables it is told to protect."""

from dataclasses import dataclass

from grille_sdk import Action, Decision, Exchange, policy


@dataclass(frozen=True)
class Settings:
    """What the operator may set; settings.schema.json says the same."""

    protected: tuple[str, ...] = ("audit_log",)


@policy
def protect(settings: Settings, exchange: Exchange, action: Action) -> Decision:
    for thing in action.objects:
        table = thing.name.rpartition(".")[2]
        if table in settings.protected and thing.access != "read":
            return Decision.deny(f"{table} may only be read")
    return Decision.allow()
