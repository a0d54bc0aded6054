/* What ties a plugin to the interface: the only files that know the generated bindings (wit-bindgen's plugin.h, for the plugin's own
 * world). For `grille plugin build` alone, which compiles lifecycle.c, the file of the plugin's kind and that of each capability the
 * plugin declares. */
#ifndef GRILLE_GLUE_H
#define GRILLE_GLUE_H

#include "plugin.h"
#include "session.h"

/* The configured plugin. An instance is one plugin, configured once, and has one thread. */
extern grille_session grille_the_session;

static inline grille_text grille_from_string(plugin_string_t string) {
    return (grille_text){ (const char *)string.ptr, string.len };
}

/* From the C library's heap, as the canonical ABI wants what is given away. */
plugin_string_t grille_to_string(grille_text text);
/* Memory to give away; traps when there is none. Null for nothing. */
void *grille_give(size_t count, size_t size);
/* A text of an import's parameter; the import reads it and keeps nothing. */
static inline plugin_string_t grille_lend(grille_text text) {
    return (plugin_string_t){ (uint8_t *)text.data, text.length };
}

/* The SDK's attributes and the interface's have the same shape. */
_Static_assert(sizeof(grille_attribute) == sizeof(grille_plugin_types_attribute_t), "attributes differ");
_Static_assert(sizeof(grille_text) == sizeof(plugin_string_t), "texts differ");

#endif
