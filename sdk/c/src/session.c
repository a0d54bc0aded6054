/* The order of calls, the checks of what comes in and of what goes out. */
#include "session.h"

#include <string.h>

bool grille_session_configure(grille_session *session, const struct grille_plugin *functions, grille_text settings_json) {
    *session = (grille_session){ .functions = functions };
    session->settings.arena = &session->arena;
    const char *message;
    size_t at;
    session->settings.root = grille_json_parse(&session->arena, settings_json, &message, &at);
    if (session->settings.root == NULL) {
        return grille_complain(&session->settings, NULL, GRILLE_JOIN(&session->arena, grille_text_of(message)));
    }
    bool configured = functions->configure(&session->settings, &session->plugin);
    if (!configured && !grille_complained(&session->settings)) {
        return grille_complain(&session->settings, NULL, GRILLE_TEXT("the plugin refuses the settings and does not say why"));
    }
    session->configured = configured && !grille_complained(&session->settings);
    return session->configured;
}

void grille_session_close(grille_session *session) {
    /* The arena may hold what the session points to, so the session is emptied too. */
    grille_arena_free(&session->arena);
    *session = (grille_session){ 0 };
}

grille_call grille_call_start(grille_session *session, grille_arena *arena) {
    return (grille_call){
        .arena = arena,
        .exchange = &session->exchange,
        .fields = session->fields,
        .fields_count = session->fields_count,
    };
}

/* A function of the plugin's has returned `worked`: false must come with a reason, and a reason with false. */
static bool concluded(grille_call *call, bool worked) {
    if (!worked && !call->failed) {
        return grille_fail(call, GRILLE_TEXT("the plugin fails and does not say why"));
    }
    return worked && !call->failed;
}

bool grille_session_begin(grille_session *session, grille_call *call, const grille_exchange *exchange,
                          const grille_field *fields, size_t fields_count) {
    if (!session->configured) {
        return grille_fail(call, GRILLE_TEXT("called before configure"));
    }
    session->exchange = *exchange;
    session->fields = call->fields = fields;
    session->fields_count = call->fields_count = fields_count;
    session->begun = session->functions->begin == NULL || concluded(call, session->functions->begin(call, session->plugin));
    return session->begun;
}

/* The promises of the interface's `block`. */
static bool check_block(grille_call *call, const grille_block *block) {
    uint64_t cells = (uint64_t)block->rows * block->fields_count;
    if (cells >= UINT32_MAX || block->offsets_count != cells + 1) {
        return grille_fail(call, GRILLE_TEXT("the block's offsets do not fit its rows and fields"));
    }
    if (!grille_text_is_utf8(block->data)) {
        return grille_fail(call, GRILLE_TEXT("the block's data is not UTF-8"));
    }
    uint32_t last = 0;
    for (size_t i = 0; i < block->offsets_count; i++) {
        if (block->offsets[i] < last || !grille_text_is_boundary(block->data, block->offsets[i])) {
            return grille_fail(call, GRILLE_TEXT("the block's offsets do not fit its data"));
        }
        last = block->offsets[i];
    }
    if (block->offsets[0] != 0 || last != block->data.length) {
        return grille_fail(call, GRILLE_TEXT("the block's offsets do not fit its data"));
    }
    for (size_t i = 0; i < block->fields_count; i++) {
        if (block->fields[i] >= call->fields_count) {
            return grille_fail(call, GRILLE_TEXT("the block has a field that was not announced"));
        }
    }
    return true;
}

static bool check_call(grille_session *session, grille_call *call, bool is_of_the_kind) {
    if (!session->begun) {
        return grille_fail(call, GRILLE_TEXT("called before begin"));
    }
    return is_of_the_kind || grille_fail(call, GRILLE_TEXT("the plugin has no function for this call"));
}

static grille_cell cell_at(const grille_call *call, const grille_block *block, size_t index) {
    return (grille_cell){
        .text = { block->data.data + block->offsets[index], block->offsets[index + 1] - block->offsets[index] },
        .field = &call->fields[block->fields[index / block->rows]],
        .row = (uint32_t)(index % block->rows),
    };
}

bool grille_session_inspect(grille_session *session, grille_call *call, const grille_block *block,
                            grille_findings *findings) {
    *findings = (grille_findings){ 0 };
    if (!check_call(session, call, session->functions != NULL && session->functions->inspect != NULL) ||
        !check_block(call, block)) {
        return false;
    }
    call->findings = findings;
    for (size_t i = 0; i + 1 < block->offsets_count; i++) {
        grille_cell cell = cell_at(call, block, i);
        if (cell.text.length == 0) {
            continue;
        }
        findings->cell = (uint32_t)i;
        findings->text = cell.text;
        if (!concluded(call, session->functions->inspect(call, session->plugin, &cell))) {
            return false;
        }
    }
    return true;
}

bool grille_session_mask(grille_session *session, grille_call *call, const grille_block *block, grille_buffer *values,
                         uint32_t *ends) {
    *values = (grille_buffer){ .arena = call->arena };
    if (!check_call(session, call, session->functions != NULL && session->functions->mask != NULL) ||
        !check_block(call, block)) {
        return false;
    }
    for (size_t i = 0; i + 1 < block->offsets_count; i++) {
        grille_cell cell = cell_at(call, block, i);
        size_t start = values->length;
        if (!concluded(call, session->functions->mask(call, session->plugin, &cell, values))) {
            return false;
        }
        /* Each by itself: two halves of a character in two values would be UTF-8 together. */
        if (values->length < start || values->length > UINT32_MAX ||
            !grille_text_is_utf8((grille_text){ values->data + start, values->length - start })) {
            return grille_fail(call, GRILLE_TEXT("a new value is not UTF-8, or there is too much of it"));
        }
        ends[i] = (uint32_t)values->length;
    }
    return true;
}

static bool check_decision(grille_call *call, const grille_decision *decision) {
    switch (decision->verdict) {
    case GRILLE_VERDICT_ALLOW:
    case GRILLE_VERDICT_DENY:
    case GRILLE_VERDICT_HOLD:
    case GRILLE_VERDICT_REWRITE:
        return true;
    case GRILLE_VERDICT_NONE:
        break;
    }
    return grille_fail(call, GRILLE_TEXT("the policy gave no verdict"));
}

bool grille_session_decide(grille_session *session, grille_call *call, const grille_action *action,
                           grille_decision *decision) {
    *decision = (grille_decision){ 0 };
    if (!check_call(session, call, session->functions != NULL && session->functions->decide != NULL)) {
        return false;
    }
    return concluded(call, session->functions->decide(call, session->plugin, action, decision)) &&
           check_decision(call, decision);
}
