#include "glue.h"

static bool failed(grille_call *call, grille_plugin_state_failure_t *failure) {
    grille_fail(call, grille_from_string(failure->message));
    grille_plugin_state_failure_free(failure);
    return false;
}

bool grille_state_get(grille_call *call, grille_text key, grille_text *value, bool *there) {
    plugin_string_t lent = grille_lend(key);
    plugin_option_list_u8_t found = { 0 };
    grille_plugin_state_failure_t failure;
    if (!grille_plugin_state_get(&lent, &found, &failure)) {
        return failed(call, &failure);
    }
    *there = found.is_some;
    *value = (grille_text){ 0 };
    if (found.is_some) {
        *value = grille_copy(call->arena, (grille_text){ (const char *)found.val.ptr, found.val.len });
        plugin_option_list_u8_free(&found);
    }
    return true;
}

bool grille_state_set(grille_call *call, grille_text key, grille_text value, uint32_t ttl_ms) {
    plugin_string_t lent = grille_lend(key);
    plugin_list_u8_t bytes = { (uint8_t *)value.data, value.length };
    grille_plugin_state_failure_t failure;
    return grille_plugin_state_set(&lent, &bytes, ttl_ms, &failure) || failed(call, &failure);
}

bool grille_state_add(grille_call *call, grille_text key, int64_t delta, uint32_t window_ms, int64_t *sum) {
    plugin_string_t lent = grille_lend(key);
    grille_plugin_state_failure_t failure;
    return grille_plugin_state_add(&lent, delta, window_ms, sum, &failure) || failed(call, &failure);
}
