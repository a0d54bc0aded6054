/* A policy that misbehaves as its settings or its client say: see ../../README.md. */
#include "misdeeds.h"

/* What lies outside, by the C library: in the projects of ../reaching, which do not become components. */
__attribute__((weak)) uint64_t reached(void);

static bool decide(grille_call *call, void *plugin, const grille_action *action, grille_decision *decision) {
    misdeeds_commit(plugin);
    if (reached != NULL) {
        return grille_deny(decision, grille_decimal(call->arena, reached()));
    }
    if (misdeeds_is(plugin, "giant-reason")) {
        return grille_deny(decision, misdeeds_long(call->arena, (size_t)16 << 20));
    }
    if (misdeeds_is(plugin, "reason-nowhere")) {
        return grille_deny(decision, (grille_text){ (const char *)(uintptr_t)(UINT32_MAX - 15), 1000 });
    }
    if (misdeeds_is(plugin, "bad-utf8")) {
        return grille_deny(decision, GRILLE_TEXT("\xff\xfe"));
    }
    if (misdeeds_is(plugin, "no-decision")) {
        return true;
    }
    if (misdeeds_is(plugin, "no-such-verdict")) {
        decision->verdict = (grille_verdict)77;
        return true;
    }
    if (misdeeds_is(plugin, "search")) {
        grille_text found = grille_decimal(call->arena, misdeeds_search());
        return grille_deny(decision, GRILLE_JOIN(call->arena, GRILLE_TEXT("search: "), found));
    }
    const misdeeds_plugin *with = plugin;
    (void)action;
    return with->is_blind ? grille_deny(decision, GRILLE_TEXT("kept: something")) : grille_allow(decision);
}

const struct grille_plugin grille_plugin = {
    .configure = misdeeds_configure,
    .begin = misdeeds_begin,
    .decide = decide,
};
