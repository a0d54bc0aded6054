#include "glue.h"

/* The values one behind the other, in the call's arena. */
static grille_plugin_keyed_values_t flat(grille_call *call, const grille_text *values, size_t count) {
    grille_text data = grille_join(call->arena, values, count);
    uint32_t *offsets = grille_alloc_array(call->arena, count + 1, sizeof(uint32_t));
    for (size_t i = 0; i < count; i++) {
        offsets[i + 1] = offsets[i] + (uint32_t)values[i].length;
    }
    return (grille_plugin_keyed_values_t){ { offsets, count + 1 }, { (uint8_t *)data.data, data.length } };
}

static bool cut(grille_call *call, const grille_plugin_keyed_values_t *from, size_t count, grille_text *results) {
    if (from->offsets.len != count + 1) {
        return grille_fail(call, GRILLE_TEXT("another number of values came back"));
    }
    grille_text data = grille_copy(call->arena, (grille_text){ (const char *)from->data.ptr, from->data.len });
    for (size_t i = 0; i < count; i++) {
        uint32_t start = from->offsets.ptr[i], end = from->offsets.ptr[i + 1];
        if (start > end || end > data.length) {
            return grille_fail(call, GRILLE_TEXT("the offsets that came back do not fit the data"));
        }
        results[i] = (grille_text){ data.data + start, end - start };
    }
    return true;
}

bool grille_keyed_transform(grille_call *call, grille_text method, grille_text domain, const grille_text *values,
                            size_t count, grille_text *results) {
    plugin_string_t lent_method = grille_lend(method), lent_domain = grille_lend(domain);
    grille_plugin_keyed_values_t input = flat(call, values, count), output;
    grille_plugin_keyed_failure_t failure;
    if (!grille_plugin_keyed_transform(&lent_method, &lent_domain, &input, &output, &failure)) {
        grille_fail(call, grille_from_string(failure.message));
        grille_plugin_keyed_failure_free(&failure);
        return false;
    }
    bool good = cut(call, &output, count, results);
    grille_plugin_keyed_values_free(&output);
    return good;
}
