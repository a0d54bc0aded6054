/* What a detector exports. */
#include <stdlib.h>

#include "glue.h"

_Static_assert(sizeof(grille_finding) == sizeof(exports_grille_plugin_detector_finding_t), "findings differ");
_Static_assert(offsetof(grille_finding, support) == offsetof(exports_grille_plugin_detector_finding_t, support),
               "findings differ");

static grille_block block_of(const exports_grille_plugin_detector_block_t *cells) {
    return (grille_block){
        .rows = cells->rows,
        .fields = cells->fields.ptr,
        .fields_count = cells->fields.len,
        .offsets = cells->offsets.ptr,
        .offsets_count = cells->offsets.len,
        .data = { (const char *)cells->data.ptr, cells->data.len },
    };
}

bool exports_grille_plugin_detector_inspect(exports_grille_plugin_detector_block_t *cells,
                                            exports_grille_plugin_detector_list_finding_t *ret,
                                            exports_grille_plugin_detector_failure_t *err) {
    grille_arena arena = { 0 };
    grille_call call = grille_call_start(&grille_the_session, &arena);
    grille_block block = block_of(cells);
    grille_findings findings;
    bool inspected = grille_session_inspect(&grille_the_session, &call, &block, &findings);
    if (inspected && findings.count > 0) {
        ret->ptr = (exports_grille_plugin_detector_finding_t *)findings.found;
        ret->len = findings.count;
    } else {
        /* An empty list is not freed by the bindings, so its room must not be given away. */
        free(findings.found);
        *ret = (exports_grille_plugin_detector_list_finding_t){ 0 };
    }
    if (!inspected) {
        err->message = grille_to_string(call.failure);
    }
    grille_arena_free(&arena);
    exports_grille_plugin_detector_block_free(cells);
    return inspected;
}
