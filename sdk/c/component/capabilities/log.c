#include "glue.h"

void grille_log(grille_level level, grille_text message) {
    plugin_string_t lent = grille_lend(message);
    grille_plugin_log_write((uint32_t)level, &lent);
}
