/* A detector that misbehaves as its settings or its client say: see ../../README.md. Findings that the SDK would refuse are put
 * where it keeps them. */
#include <stdlib.h>

#include "misdeeds.h"
#include "session.h"

/* Without looking at it. */
static bool found(grille_call *call, grille_finding finding) {
    grille_findings *findings = call->findings;
    if (findings->count == findings->capacity) {
        findings->capacity = findings->capacity == 0 ? 64 : 2 * findings->capacity;
        findings->found = realloc(findings->found, findings->capacity * sizeof(grille_finding));
        if (findings->found == NULL) {
            __builtin_trap();
        }
    }
    findings->found[findings->count++] = finding;
    return true;
}

static bool inspect(grille_call *call, const void *plugin, const grille_cell *cell) {
    misdeeds_commit(plugin);
    const misdeeds_plugin *with = plugin;
    uint32_t length = (uint32_t)cell->text.length;
    grille_finding whole = { .cell = call->findings->cell, .end = length, .score = 900 };
    if (misdeeds_is(with, "giant-result")) {
        for (uint32_t i = 0; i < 200000; i++) {
            found(call, whole);
        }
    } else if (misdeeds_is(with, "out-of-range")) {
        whole.end = UINT32_MAX;
    } else if (misdeeds_is(with, "backwards")) {
        whole.start = length;
        whole.end = 0;
    } else if (misdeeds_is(with, "unknown-label")) {
        whole.label = 7;
    } else if (misdeeds_is(with, "cell-out-of-range")) {
        whole.cell = UINT32_MAX;
    } else if (misdeeds_is(with, "score-out-of-range")) {
        whole.score = UINT32_MAX;
    } else if (misdeeds_is(with, "reserved-support")) {
        whole.support = UINT32_MAX;
    } else if (misdeeds_is(with, "count-beyond")) {
        /* More findings than there are, so that the list ends outside of memory. */
        found(call, whole);
        call->findings->count = 100000000;
        return true;
    } else if (with->is_blind) {
        return true;
    }
    return found(call, whole);
}

const struct grille_plugin grille_plugin = {
    .configure = misdeeds_configure,
    .begin = misdeeds_begin,
    .inspect = inspect,
};
