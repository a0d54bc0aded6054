/* What a masker exports. */
#include <string.h>

#include "glue.h"

static grille_block block_of(const exports_grille_plugin_masker_block_t *cells) {
    return (grille_block){
        .rows = cells->rows,
        .fields = cells->fields.ptr,
        .fields_count = cells->fields.len,
        .offsets = cells->offsets.ptr,
        .offsets_count = cells->offsets.len,
        .data = { (const char *)cells->data.ptr, cells->data.len },
    };
}

static void give_edits(const grille_buffer *values, const uint32_t *ends, size_t count,
                       exports_grille_plugin_masker_edits_t *out) {
    out->cells = (plugin_list_u32_t){ grille_give(count, sizeof(uint32_t)), count };
    out->offsets = (plugin_list_u32_t){ grille_give(count + 1, sizeof(uint32_t)), count + 1 };
    out->data = (plugin_list_u8_t){ grille_give(values->length, 1), values->length };
    for (size_t i = 0; i < count; i++) {
        out->cells.ptr[i] = (uint32_t)i;
        out->offsets.ptr[i + 1] = ends[i];
    }
    if (values->length > 0) {
        memcpy(out->data.ptr, values->data, values->length);
    }
}

bool exports_grille_plugin_masker_mask(exports_grille_plugin_masker_block_t *cells,
                                       exports_grille_plugin_masker_edits_t *ret,
                                       exports_grille_plugin_masker_failure_t *err) {
    grille_arena arena = { 0 };
    grille_call call = grille_call_start(&grille_the_session, &arena);
    grille_block block = block_of(cells);
    grille_buffer values;
    size_t count = block.offsets_count == 0 ? 0 : block.offsets_count - 1;
    uint32_t *ends = grille_alloc_array(&arena, count, sizeof(uint32_t));
    bool masked = grille_session_mask(&grille_the_session, &call, &block, &values, ends);
    if (masked) {
        give_edits(&values, ends, count, ret);
    } else {
        err->message = grille_to_string(call.failure);
    }
    grille_arena_free(&arena);
    exports_grille_plugin_masker_block_free(cells);
    return masked;
}
