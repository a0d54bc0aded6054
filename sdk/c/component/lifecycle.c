/* What every component exports. */
#include <stdlib.h>
#include <string.h>

#include "glue.h"

grille_session grille_the_session;

/* What the session points into: the exchange as the host gave it. */
static grille_plugin_types_exchange_t exchange_kept;
static exports_grille_plugin_lifecycle_list_field_t fields_kept;

void *grille_give(size_t count, size_t size) {
    if (count == 0) {
        return NULL;
    }
    void *given = calloc(count, size);
    if (given == NULL) {
        __builtin_trap();
    }
    return given;
}

plugin_string_t grille_to_string(grille_text text) {
    plugin_string_t string = { grille_give(text.length, 1), text.length };
    if (text.length > 0) {
        memcpy(string.ptr, text.data, text.length);
    }
    return string;
}

static void give_diagnostics(const grille_diagnostic *first, exports_grille_plugin_lifecycle_list_diagnostic_t *out) {
    size_t count = 0;
    for (const grille_diagnostic *diagnostic = first; diagnostic != NULL; diagnostic = diagnostic->next) {
        count++;
    }
    out->ptr = grille_give(count, sizeof(grille_plugin_types_diagnostic_t));
    out->len = 0;
    for (const grille_diagnostic *diagnostic = first; diagnostic != NULL; diagnostic = diagnostic->next) {
        out->ptr[out->len++] = (grille_plugin_types_diagnostic_t){
            .pointer = grille_to_string(diagnostic->pointer),
            .message = grille_to_string(diagnostic->message),
        };
    }
}

bool exports_grille_plugin_lifecycle_configure(plugin_string_t *settings_json,
                                               exports_grille_plugin_lifecycle_list_diagnostic_t *err) {
    grille_session_close(&grille_the_session);
    bool configured = grille_session_configure(&grille_the_session, &grille_plugin, grille_from_string(*settings_json));
    if (!configured) {
        give_diagnostics(grille_the_session.settings.first, err);
    }
    plugin_string_free(settings_json);
    return configured;
}

static grille_exchange exchange_of(const grille_plugin_types_exchange_t *ctx) {
    return (grille_exchange){
        .id = ctx->id,
        .protocol = grille_from_string(ctx->protocol),
        .principal = grille_from_string(ctx->principal),
        .principal_kind = grille_from_string(ctx->principal_kind),
        .groups = (const grille_text *)ctx->groups.ptr,
        .groups_count = ctx->groups.len,
        .role = grille_from_string(ctx->role),
        .upstream = grille_from_string(ctx->upstream),
        .target = grille_from_string(ctx->target),
        .client = grille_from_string(ctx->client),
        .attributes = (const grille_attribute *)ctx->attributes.ptr,
        .attributes_count = ctx->attributes.len,
    };
}

_Static_assert(sizeof(grille_field) == sizeof(exports_grille_plugin_lifecycle_field_t), "fields differ");

bool exports_grille_plugin_lifecycle_begin(exports_grille_plugin_lifecycle_exchange_t *ctx,
                                           exports_grille_plugin_lifecycle_list_field_t *fields,
                                           exports_grille_plugin_lifecycle_failure_t *err) {
    grille_plugin_types_exchange_free(&exchange_kept);
    exports_grille_plugin_lifecycle_list_field_free(&fields_kept);
    exchange_kept = *ctx;
    fields_kept = *fields;
    grille_arena arena = { 0 };
    grille_call call = grille_call_start(&grille_the_session, &arena);
    grille_exchange exchange = exchange_of(&exchange_kept);
    bool begun = grille_session_begin(&grille_the_session, &call, &exchange, (const grille_field *)fields_kept.ptr,
                                      fields_kept.len);
    if (!begun) {
        err->message = grille_to_string(call.failure);
    }
    grille_arena_free(&arena);
    return begun;
}
