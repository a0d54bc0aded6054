/* A policy: it denies dropping, and whatever touches what the settings list. */
#include "grille.h"

typedef struct policy {
    /* An array of texts. */
    const grille_json *denied;
} policy;

static bool configure(grille_settings *settings, void **plugin) {
    policy *made = grille_alloc(settings->arena, sizeof(policy));
    GRILLE_ONLY_KEYS(settings, settings->root, "denied");
    grille_read_array(settings, settings->root, "denied", &made->denied);
    for (const grille_json *name = made->denied == NULL ? NULL : made->denied->first; name != NULL; name = name->next) {
        if (name->kind != GRILLE_JSON_TEXT || name->text.length == 0) {
            grille_complain(settings, name, GRILLE_TEXT("must be a name"));
        }
    }
    *plugin = made;
    return !grille_complained(settings);
}

static bool is_listed(const policy *with, grille_text name) {
    for (const grille_json *denied = with->denied == NULL ? NULL : with->denied->first; denied != NULL;
         denied = denied->next) {
        if (grille_text_equal(denied->text, name)) {
            return true;
        }
    }
    return false;
}

/* Denies for the first object that may not be touched so. */
static bool decide(grille_call *call, void *plugin, const grille_action *action, grille_decision *decision) {
    for (size_t i = 0; i < action->objects_count; i++) {
        const grille_object *object = &action->objects[i];
        if (grille_text_equal(object->access, GRILLE_TEXT("drop"))) {
            return grille_deny(decision, GRILLE_JOIN(call->arena, action->kind, GRILLE_TEXT(" would remove "), object->name,
                                                     GRILLE_TEXT(" for good")));
        }
        if (is_listed(plugin, object->name)) {
            return grille_deny(decision, GRILLE_JOIN(call->arena, object->name, GRILLE_TEXT(" may not be touched")));
        }
    }
    return grille_allow(decision);
}

const struct grille_plugin grille_plugin = { .configure = configure, .decide = decide };
