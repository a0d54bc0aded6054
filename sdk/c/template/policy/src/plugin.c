/* A policy: it denies changes to the tables it is told to protect. */
#include "grille.h"

/* What may only be read unless the operator says otherwise. */
static const char *const protected_by_default[] = { "audit_log" };

enum { DEFAULTS = sizeof(protected_by_default) / sizeof(protected_by_default[0]) };

typedef struct policy {
    const grille_text *tables;
    size_t count;
} policy;

static void protect_by_default(grille_settings *settings, policy *made) {
    grille_text *tables = grille_alloc_array(settings->arena, DEFAULTS, sizeof(grille_text));
    for (size_t i = 0; i < DEFAULTS; i++) {
        tables[i] = grille_text_of(protected_by_default[i]);
    }
    *made = (policy){ tables, DEFAULTS };
}

static void protect_listed(grille_settings *settings, policy *made, const grille_json *list) {
    grille_text *tables = grille_alloc_array(settings->arena, list->count, sizeof(grille_text));
    for (const grille_json *name = list->first; name != NULL; name = name->next) {
        if (name->kind != GRILLE_JSON_TEXT || name->text.length == 0) {
            grille_complain(settings, name, GRILLE_TEXT("must be a name"));
        }
        tables[name->index] = name->text;
    }
    *made = (policy){ tables, list->count };
}

static bool configure(grille_settings *settings, void **plugin) {
    policy *made = grille_alloc(settings->arena, sizeof(policy));
    const grille_json *list = NULL;
    GRILLE_ONLY_KEYS(settings, settings->root, "protected");
    grille_read_array(settings, settings->root, "protected", &list);
    if (list == NULL) {
        protect_by_default(settings, made);
    } else {
        protect_listed(settings, made, list);
    }
    *plugin = made;
    return !grille_complained(settings);
}

/* A name without its schema. */
static grille_text table_of(grille_text name) {
    for (size_t at = name.length; at > 0; at--) {
        if (name.data[at - 1] == '.') {
            return (grille_text){ name.data + at, name.length - at };
        }
    }
    return name;
}

static bool is_protected(const policy *with, grille_text table) {
    for (size_t i = 0; i < with->count; i++) {
        if (grille_text_equal(with->tables[i], table)) {
            return true;
        }
    }
    return false;
}

/* Denies for the first protected table that would be changed. */
static bool decide(grille_call *call, void *plugin, const grille_action *action, grille_decision *decision) {
    for (size_t i = 0; i < action->objects_count; i++) {
        const grille_object *object = &action->objects[i];
        grille_text table = table_of(object->name);
        if (!grille_text_equal(object->access, GRILLE_TEXT("read")) && is_protected(plugin, table)) {
            return grille_deny(decision, GRILLE_JOIN(call->arena, table, GRILLE_TEXT(" may only be read")));
        }
    }
    return grille_allow(decision);
}

const struct grille_plugin grille_plugin = { .configure = configure, .decide = decide };
