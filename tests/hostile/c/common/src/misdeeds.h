/* What a C plugin of any world can do wrong. */
#ifndef MISDEEDS_H
#define MISDEEDS_H

#include "grille.h"

typedef struct misdeeds_plugin {
    /* From the settings; empty leaves it to the client. */
    grille_text mode;
    /* What to do in this exchange. */
    grille_text misdeed;
    bool is_blind;
} misdeeds_plugin;

/* What every plugin here configures and begins with. */
bool misdeeds_configure(grille_settings *settings, void **plugin);
bool misdeeds_begin(grille_call *call, void *plugin);

bool misdeeds_is(const misdeeds_plugin *plugin, const char *misdeed);
/* Does not come back if the misdeed is one of those. */
void misdeeds_commit(const misdeeds_plugin *plugin);
/* Keeps a text wherever one can be kept; true if something was kept before. */
bool misdeeds_keep(grille_text text);
/* How often `planted-marker` is anywhere in the instance's memory. */
size_t misdeeds_search(void);
/* As many bytes of nothing in particular. */
grille_text misdeeds_long(grille_arena *arena, size_t length);

#endif
